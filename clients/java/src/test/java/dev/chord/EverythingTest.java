package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.chord.v1.AdminServiceGrpc;
import dev.chord.v1.BackupRequest;
import dev.chord.v1.BackupResponse;
import dev.chord.v1.CleanupServiceGrpc;
import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.ExportContextsRequest;
import dev.chord.v1.ExportContextsResponse;
import dev.chord.v1.GetCleanupRequest;
import dev.chord.v1.RestoreContextRequest;
import dev.chord.v1.RunCleanupRequest;
import dev.chord.v1.SetContextRequest;
import dev.chord.v1.TransferServiceGrpc;
import dev.chord.v1.WatchStatsRequest;
import dev.chord.v1.WatchStatsResponse;
import io.grpc.Status;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** All of the service. */
class EverythingTest extends Live {
  @Test
  void batch() {
    for (String name : List.of("update", "revert", "delete", "touch")) {
      client.set(id(name), Map.of("n", 1), SetOptions.builder().ttl(Duration.ofHours(1)).build());
    }
    client.set(id("revert"), Map.of("n", 2));
    List<Write> writes = List.of(
        Write.set(id("set"), Map.of("n", 1), Write.SetOptions.builder().ifAbsent().returnDocument().build()),
        Write.update(
            id("update"),
            Edit.of(Mutation.increment(List.of("n"), 1)),
            Write.UpdateOptions.builder().ifChecks(Check.equalTo(List.of("n"), 1)).returnDelta().build()),
        Write.revert(id("revert"), 1, Write.RevertOptions.builder().returnDocument().build()),
        Write.delete(id("delete")),
        Write.delete(id("missing"), Write.DeleteOptions.builder().allowMissing().build()),
        Write.touch(id("touch"), Duration.ZERO));
    BatchOptions once = BatchOptions.builder().requestId("once").build();
    List<Write.Result> results = client.batch(writes, once);
    assertEquals(
        List.of(1L, 2L, 3L, 1L, 0L, 1L),
        results.stream().map(each -> each.position() == null ? 0 : each.position().version()).toList());
    assertEquals(Map.of("n", 1.0), results.get(0).document().value());
    assertEquals(2.0, ((Change.Modified) results.get(1).delta().changes().get(0)).value());
    assertEquals(Map.of("n", 1.0), results.get(2).document().value());
    assertFalse(results.get(4).changed());
    assertNull(results.get(5).document().value());
    assertNull(results.get(5).document().expiresAt());
    // A repeat answers what the first one did, and touches nothing.
    List<Write.Result> again = client.batch(writes, once);
    assertEquals(results.subList(0, 5), again.subList(0, 5));
    assertNull(again.get(5).document());
    fails("NOT_FOUND", () -> client.get(id("delete")));
  }

  @Test
  void aBatchIsDoneWholeOrNot() {
    Write set = Write.set(id("a"), Map.of("n", 1));
    Write update = Write.update(id("b"), Edit.merge(Map.of("n", 1)));
    assertEquals(id("b"), fails("NOT_FOUND", () -> client.batch(List.of(set, update))).contextId());
    fails("NOT_FOUND", () -> client.get(id("a")));

    refused("writes[1].set.value.n[0]", set, Write.set(id("b"), Map.of("n", List.of(new Object()))));
    refused("writes[1].delete.context_id", set, Write.delete("\ud800"));
  }

  private void refused(String field, Write... writes) {
    ChordException failed = fails("INVALID_ARGUMENT", () -> client.batch(List.of(writes)));
    assertEquals(field, failed.violations().get(0).field());
  }

  @Test
  void thePast() {
    WriteResult first = client.set(id("a"), Map.of("n", 1), SetOptions.builder().returnDocument().build());
    client.set(id("a"), Map.of("n", 2));
    Document was = client.get(id("a"), GetOptions.builder().version(1).build());
    assertEquals(Map.of("n", 1.0), was.value());
    assertEquals(first.position(), was.position());
    GetOptions later = GetOptions.builder().at(Instant.now().plusSeconds(3600)).build();
    assertEquals(Map.of("n", 2.0), client.get(id("a"), later).value());
    GetOptions before = GetOptions.builder().at(first.document().createdAt().minusSeconds(1)).build();
    fails("NOT_FOUND", () -> client.get(id("a"), before));

    RevertOptions once = RevertOptions.builder().returnDocument().returnOldValues().requestId("once").build();
    WriteResult reverted = client.revert(id("a"), 1, once);
    assertEquals(3, reverted.position().version());
    assertEquals(Map.of("n", 1.0), reverted.document().value());
    assertEquals(2.0, ((Change.Modified) reverted.delta().changes().get(0)).old());
    assertEquals(reverted, client.revert(id("a"), 1, once));
    RevertOptions expected = RevertOptions.builder().ifPosition(first.position()).build();
    ChordException failed = fails("ABORTED", () -> client.revert(id("a"), 2, expected));
    assertEquals(reverted.position(), failed.mismatch().current());
  }

  @Test
  void formatsAndPaths() {
    Map<String, Object> value = Map.of("members", Map.of("ann", 1, "bob", 1), "rest", REST);
    WriteResult first = client.set(id("a"), value);
    Edit edit = Edit.of(Mutation.set(List.of("members", "ann"), 2));
    WriteResult written = client.update(id("a"), edit, UpdateOptions.builder().returnFormat("json_patch").build());
    Map<String, Object> replaced = json("{'op':'replace','path':'/members/ann','value':2}");
    assertEquals(List.of(replaced), written.delta().formatted());
    assertEquals(List.of(), written.delta().changes());

    SyncOptions patch = SyncOptions.builder().format("json_patch").includeOldValues().build();
    WatchEvent.Changed synced = (WatchEvent.Changed) client.sync(id("a"), first.position(), patch);
    assertEquals(
        List.of(json("{'op':'test','path':'/members/ann','value':1}"), replaced), synced.delta().formatted());
    Map<String, Object> merged = json("{'members':{'ann':2}}");
    List<Check> until = List.of(Check.exists(List.of("rest")));
    WaitOptions known = WaitOptions.builder().known(first.position()).format("merge_patch").build();
    WaitResult met = client.waitFor(id("a"), until, known);
    assertEquals(merged, ((WatchEvent.Changed) met.result()).delta().formatted());
    for (DeltaPage page : client.deltas(id("a"), 1, DeltasOptions.builder().format("merge_patch").pageSize(1).build())) {
      assertEquals(merged, page.deltas().get(0).formatted());
    }
    client.set(id("null"), Map.of("n", 1));
    Edit toNull = Edit.of(Mutation.set(List.of("n"), null));
    WriteResult lost = client.update(id("null"), toNull, UpdateOptions.builder().returnFormat("merge_patch").build());
    assertNull(lost.delta().formatted());
    assertNotNull(lost.delta().inexpressible());

    Map<String, Object> part = json("{'members':{'bob':1}}");
    List<List<String>> bob = List.of(List.of("members", "bob"));
    assertEquals(part, value(client.sync(id("a"), null, SyncOptions.builder().paths(bob).build())));
    assertEquals(part, value(client.waitFor(id("a"), until, WaitOptions.builder().paths(bob).build()).result()));
  }

  private static Map<String, Object> value(SyncResult result) {
    return ((WatchEvent.Full) result).document().value();
  }

  @Test
  void watchesAndReplicasOfParts() throws Exception {
    WriteResult first = client.set(id("a"), Map.of("members", Map.of("ann", 1), "rest", REST));
    Target target = Target.id(id("a")).only(List.of(List.of("members")));
    Edit edit = Edit.of(Mutation.set(List.of("members", "bob"), 2), Mutation.set(List.of("rest"), "other"));
    WatchOptions format = WatchOptions.builder().format("merge_patch").build();
    WatchOptions known = WatchOptions.builder().known(Map.of(id("a"), first.position())).build();
    try (Watch watch = client.watch(List.of(target), format);
        Replica replica = copy(List.of(target));
        Watch resumed = client.watch(List.of(target), known)) {
      assertEquals(json("{'members':{'ann':1}}"), expect(WatchEvent.Full.class, watch).document().value());
      expect(WatchEvent.CaughtUp.class, watch);
      WriteResult second = client.update(id("a"), edit);
      Delta delta = expect(WatchEvent.Changed.class, watch).delta();
      assertEquals(json("{'members':{'bob':2}}"), delta.formatted());
      replica.waitFor(id("a"), second.position()).get();
      assertEquals(json("{'members':{'ann':1,'bob':2}}"), replica.get(id("a")));
      // One that resumes has the same parts.
      assertEquals(1, expect(WatchEvent.Changed.class, resumed).delta().changes().size());
    }
    fails("INVALID_ARGUMENT", () -> client.watch(Target.id(id("a")).only(List.of(List.of("\ud800")))));
  }

  @Test
  void pages() {
    for (int i = 0; i < 5; i++) client.set(id(String.valueOf(i)), Map.of());
    List<String> ids = new ArrayList<>();
    client.list(id(""), ListOptions.builder().pageSize(2).build()).forEach(document -> ids.add(document.id()));
    assertEquals(List.of(id("0"), id("1"), id("2"), id("3"), id("4")), ids);
    ListOptions wrong = ListOptions.builder().pageSize(-1).build();
    fails("INVALID_ARGUMENT", () -> client.list(id(""), wrong).iterator().next());
  }

  /** Every call that has no method of its own, on a server of its own. */
  @Test
  void everyOtherCall(@TempDir Path data, @TempDir Path exports) throws Exception {
    String url = "file:" + exports;
    try (TestServer server = TestServer.start("--listen", "127.0.0.1:0", "--data-dir", data.toString(), "--export-url", url);
        ChordClient client = ChordClient.connect(server.address)) {
      client.set("room:1", Map.of("n", 1));
      RunCleanupRequest sweep = RunCleanupRequest.newBuilder().setDryRun(true).build();
      assertTrue(client.call(CleanupServiceGrpc.getRunCleanupMethod(), sweep).getResult().getDryRun());

      List<Long> done = new ArrayList<>();
      ExportContextsRequest all = ExportContextsRequest.newBuilder().setHistory(true).build();
      try (Answers<ExportContextsResponse> progress =
          client.stream(TransferServiceGrpc.getExportContextsMethod(), all)) {
        progress.forEachRemaining(each -> done.add(each.getProgress().getDone()));
        assertFalse(progress.hasNext());
      }
      assertEquals(List.of(0L, 1L), done);
      RestoreContextRequest restore = RestoreContextRequest.newBuilder().setContextId("room:1").build();
      fails("ALREADY_EXISTS", () -> client.call(TransferServiceGrpc.getRestoreContextMethod(), restore));

      try (Answers<BackupResponse> backup =
          client.stream(AdminServiceGrpc.getBackupMethod(), BackupRequest.getDefaultInstance())) {
        assertTrue(backup.next().getStart().getFormat() > 0);
      }
      WatchStatsRequest tooOften = WatchStatsRequest.newBuilder()
          .setInterval(com.google.protobuf.Duration.newBuilder().setNanos(1))
          .build();
      fails("INVALID_ARGUMENT", () -> client.stream(AdminServiceGrpc.getWatchStatsMethod(), tooOften).next());
      WatchStatsRequest often = WatchStatsRequest.newBuilder()
          .setInterval(com.google.protobuf.Duration.newBuilder().setNanos(100_000_000))
          .build();
      try (Answers<WatchStatsResponse> ended = client.stream(AdminServiceGrpc.getWatchStatsMethod(), often)) {
        assertEquals("lmdb", ended.next().getStats().getServer().getBackend());
        ended.close();
        assertFalse(ended.hasNext());
      }
      Answers<WatchStatsResponse> stats =
          client.stream(AdminServiceGrpc.getWatchStatsMethod(), WatchStatsRequest.getDefaultInstance());
      CompletableFuture<Boolean> waits = CompletableFuture.supplyAsync(stats::hasNext);
      client.close();
      Throwable closed = waits.handle((more, error) -> error.getCause()).get();
      assertEquals("the client is closed", closed.getMessage());
      fails(
          "CANCELLED",
          () -> client.call(CleanupServiceGrpc.getGetCleanupMethod(), GetCleanupRequest.getDefaultInstance()));
      fails("CANCELLED", () -> client.stream(AdminServiceGrpc.getWatchStatsMethod(), often));
    }
  }

  @Test
  void aRepeatableCallIsTriedAgain() throws Exception {
    try (FaultyServer peer = new FaultyServer((number, request) -> {
          if (number % 2 == 1) throw Status.UNAVAILABLE.asRuntimeException();
        });
        ChordClient client = ChordClient.connect(peer.address())) {
      SetContextRequest request = SetContextRequest.getDefaultInstance();
      CallSettings repeatable = CallSettings.builder().repeatable().build();
      assertTrue(client.call(ContextServiceGrpc.getSetContextMethod(), request, repeatable).getChanged());
      assertEquals(2, peer.sets.get());
      fails("UNAVAILABLE", () -> client.call(ContextServiceGrpc.getSetContextMethod(), request));
      assertEquals(3, peer.sets.get());
    }
  }
}
