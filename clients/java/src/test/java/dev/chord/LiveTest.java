package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class LiveTest extends Live {
  private static final UpdateOptions ALLOW_MISSING = UpdateOptions.builder().allowMissing().build();

  @Test
  void setAndGet() {
    Map<String, Object> value =
        json("{'':1,'__proto__':{'class':null},'a.b':[-0.0,true,'x',[],{}],'n':1e300,'null':null,'o':{}}");
    WriteResult set = client.set(id("a"), value);
    assertEquals(1, set.position().version());
    assertTrue(set.changed());
    assertNull(set.document());
    assertNull(set.delta());
    Document got = client.get(id("a"));
    assertEquals(value, got.value());
    assertEquals(set.position(), got.position());
    assertEquals(id("a"), got.id());
    assertTrue(Duration.between(got.createdAt(), Instant.now()).abs().compareTo(Duration.ofMinutes(1)) < 0);
    assertNull(got.expiresAt());
    assertFalse(client.set(id("a"), value).changed());
    client.set(id("empty"), Map.of());
    assertEquals(Map.of(), client.get(id("empty")).value());
  }

  @Test
  void update() {
    assertEquals(id("a"), fails("NOT_FOUND", () -> client.update(id("a"), Edit.merge(Map.of("n", 1)))).contextId());
    client.update(id("a"), Edit.merge(json("{'n':1,'o':{'a':1}}")), ALLOW_MISSING);
    Edit edit = Edit.merge(json("{'o':{'b':null}}")).and(
        Mutation.set(List.of("set"), null),
        Mutation.remove(List.of("o", "a")),
        Mutation.increment(List.of("n"), 1.5),
        Mutation.append(List.of("l"), java.util.Arrays.asList(1, "2", null)),
        Mutation.splice(List.of("l"), 1, 1, List.of("two", "three")));
    WriteResult updated =
        client.update(id("a"), edit, UpdateOptions.builder().returnDocument().returnOldValues().build());
    assertEquals(
        json("{'o':{'b':null},'set':null,'n':2.5,'l':[1,'two','three',null]}"), updated.document().value());
    assertEquals(updated.position(), updated.delta().to());
    assertTrue(updated.delta().changes().contains(new Change.Modified(List.of("n"), 2.5, true, 1.0)));
  }

  @Test
  void expected() {
    ChordException absent =
        fails("ABORTED", () -> client.set(id("a"), Map.of(), SetOptions.builder().ifVersion(1).build()));
    assertEquals(new ChordException.Mismatch(null), absent.mismatch());
    assertEquals(id("a"), absent.contextId());
    SetOptions ifAbsent = SetOptions.builder().ifAbsent().build();
    Position first = client.set(id("a"), Map.of(), ifAbsent).position();
    assertEquals(first, fails("ABORTED", () -> client.set(id("a"), Map.of(), ifAbsent)).mismatch().current());
    UpdateOptions ifFirst = UpdateOptions.builder().ifPosition(first).build();
    Position second = client.update(id("a"), Edit.merge(Map.of("n", 1)), ifFirst).position();
    DeleteOptions atFirst = DeleteOptions.builder().ifPosition(first).build();
    assertEquals(second, fails("ABORTED", () -> client.delete(id("a"), atFirst)).mismatch().current());
    assertNull(fails("NOT_FOUND", () -> client.get(id("b"))).mismatch());
  }

  @Test
  void requestIdIsRepeated() {
    Edit edit = Edit.of(Mutation.increment(List.of("n"), 1));
    UpdateOptions named = UpdateOptions.builder().allowMissing().requestId(id("request")).build();
    WriteResult first = client.update(id("a"), edit, named);
    assertEquals(first, client.update(id("a"), edit, named));
    assertEquals(Map.of("n", 1.0), client.get(id("a")).value());
    Edit other = Edit.of(Mutation.increment(List.of("n"), 2));
    fails("INVALID_ARGUMENT", () -> client.update(id("a"), other, named));
  }

  @Test
  void delete() {
    Position position = client.set(id("a"), Map.of()).position();
    assertEquals(new DeleteResult(position, true), client.delete(id("a")));
    fails("NOT_FOUND", () -> client.delete(id("a")));
    assertEquals(new DeleteResult(null, false), client.delete(id("a"), DeleteOptions.builder().allowMissing().build()));
  }

  @Test
  void touch() {
    SetOptions forAnHour = SetOptions.builder().ttl(Duration.ofHours(1)).build();
    Position position = client.set(id("a"), Map.of(), forAnHour).position();
    Document touched = client.touch(id("a"), Duration.ofHours(3));
    assertEquals(position, touched.position());
    assertNull(touched.value());
    assertTrue(touched.expiresAt().isAfter(Instant.now().plus(Duration.ofHours(2))));
    assertTrue(!client.touch(id("a")).expiresAt().isBefore(touched.expiresAt()));
    assertNull(client.touch(id("a"), Duration.ZERO).expiresAt());
  }

  @Test
  void list() {
    Map<String, Double> want = new TreeMap<>();
    for (int i = 0; i < 120; i++) {
      String id = id("l/%03d".formatted(i));
      want.put(id, (double) i);
      client.set(id, Map.of("i", i));
    }
    List<String> ids = new ArrayList<>();
    for (Document each : client.list(id("l/"), ListOptions.builder().includeValues().build())) {
      assertEquals(Map.of("i", want.get(each.id())), each.value());
      ids.add(each.id());
    }
    assertEquals(List.copyOf(want.keySet()), ids);
    assertNull(client.list(id("l/")).iterator().next().value());
    assertFalse(client.list(id("none")).iterator().hasNext());
  }

  @Test
  void syncAndDeltas() {
    Position first = client.set(id("a"), Map.of("n", 0, "rest", REST)).position();
    WatchEvent.Full full = assertInstanceOf(WatchEvent.Full.class, client.sync(id("a"), null));
    assertEquals("INITIAL", full.reason());
    assertEquals(Map.of("n", 0.0, "rest", REST), full.document().value());
    assertEquals(new SyncResult.NoChange(first), client.sync(id("a"), first));

    List<Position> positions = new ArrayList<>(List.of(first));
    for (int i = 0; i < 150; i++) {
      positions.add(client.update(id("a"), Edit.of(Mutation.increment(List.of("n"), 1))).position());
    }
    Position last = positions.get(150);
    SyncOptions oldValues = SyncOptions.builder().includeOldValues().build();
    Delta merged =
        assertInstanceOf(WatchEvent.Changed.class, client.sync(id("a"), positions.get(140), oldValues)).delta();
    assertEquals(List.of(new Change.Modified(List.of("n"), 150.0, true, 140.0)), merged.changes());
    assertEquals(Map.of("n", 150.0, "rest", REST), merged.applyTo(full.document().value()));
    List<Long> versions = new ArrayList<>();
    int pages = 0;
    for (DeltaPage page : client.deltas(id("a"), 1)) {
      pages++;
      assertEquals(last, page.head());
      assertFalse(page.truncated());
      page.deltas().forEach(delta -> versions.add(delta.to().version()));
    }
    assertEquals(2, pages);
    assertEquals(150, versions.size());
    assertEquals(List.of(2L, 151L), List.of(versions.get(0), versions.get(149)));
    fails("NOT_FOUND", () -> client.sync(id("missing"), null));
  }

  @Test
  void errorDetails() {
    ChordException tooLong = fails("INVALID_ARGUMENT", () -> client.set("x".repeat(600), Map.of()));
    assertEquals("context_id", tooLong.violations().get(0).field());
    Edit nowhere = Edit.of(Mutation.remove(List.of()));
    ChordException noPath = fails("INVALID_ARGUMENT", () -> client.update(id("a"), nowhere, ALLOW_MISSING));
    assertEquals("mutations[0].path", noPath.violations().get(0).field());
    assertTrue(noPath.toString().contains("INVALID_ARGUMENT"));
  }

  @Test
  void whatIsNeverSent() {
    try (ChordClient unreachable = ChordClient.connect("127.0.0.1:1")) {
      String bad = "\ud800";
      List<Executable> calls = List.of(
          () -> unreachable.set("a", Map.of("x", new Object())),
          () -> SetOptions.builder().requestId(bad),
          () -> SetOptions.builder().requestId(""),
          () -> BatchOptions.builder().requestId(""),
          () -> unreachable.update("a", Edit.merge(Map.of("x", bad))),
          () -> Mutation.append(List.of("a"), List.of(bad)),
          () -> Mutation.increment(List.of("a"), Double.NaN),
          () -> Mutation.splice(List.of("a"), -1, 0, List.of()),
          () -> Mutation.remove(List.of(bad)),
          () -> unreachable.get(bad),
          () -> unreachable.list(bad),
          () -> unreachable.watch(Target.prefix(bad)));
      for (Executable call : calls) assertEquals(1, fails("INVALID_ARGUMENT", call).violations().size());
    }
  }

  @Test
  void concurrentUpdates() throws Exception {
    int writers = 200;
    List<Callable<Long>> updates = new ArrayList<>();
    Map<String, Object> fields = new TreeMap<>();
    for (int i = 0; i < writers; i++) {
      List<String> path = List.of("fields", String.valueOf(i));
      Edit edit = Edit.of(Mutation.set(path, i), Mutation.increment(List.of("total"), 1));
      updates.add(() -> client.update(id("a"), edit, ALLOW_MISSING).position().version());
      fields.put(String.valueOf(i), (double) i);
    }
    ExecutorService threads = Executors.newFixedThreadPool(writers);
    Set<Long> versions = new HashSet<>();
    for (Future<Long> each : threads.invokeAll(updates)) versions.add(each.get());
    threads.shutdown();
    assertEquals(Map.of("fields", fields, "total", (double) writers), client.get(id("a")).value());
    assertEquals(writers, versions.size());
  }
}
