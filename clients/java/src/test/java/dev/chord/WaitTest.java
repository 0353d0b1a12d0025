package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.Status;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WaitTest extends Live {
  private static final List<Check> UNTIL =
      List.of(Check.atLeast(List.of("n"), 3), Check.equalTo(List.of("status"), "ready"));

  @Test
  void waits() throws Exception {
    String id = id("a");
    ClientOptions narrow = ClientOptions.builder().callsInFlight(1).watchesPerConnection(2).build();
    ChordClient waiting = ChordClient.connect(TestServer.shared().address, narrow);
    // More waits than calls in flight, and than a connection holds: none of them delays a call.
    List<CompletableFuture<WaitResult>> waits = new ArrayList<>();
    for (int i = 0; i < 5; i++) waits.add(waiting.async().waitFor(id, UNTIL, WaitOptions.NONE));
    waiting.set(id, Map.of("n", 3, "rest", REST));
    Map<String, Object> value = Map.of("n", 3.0, "status", "ready", "rest", REST);
    Position met = waiting.set(id, value).position();
    for (CompletableFuture<WaitResult> wait : waits) {
      WaitResult result = wait.get(20, TimeUnit.SECONDS);
      WatchEvent.Full full = assertInstanceOf(WatchEvent.Full.class, result.result());
      assertEquals(2, result.heldAt());
      assertEquals(value, full.document().value());
      assertEquals(met, full.document().position());
    }

    client.update(id, Edit.of(Mutation.set(List.of("n"), 4)));
    client.update(id, Edit.of(Mutation.set(List.of("n"), 0)));
    WaitOptions known = WaitOptions.builder().known(met).includeOldValues().build();
    WaitResult since = client.waitFor(id, UNTIL, known);
    Delta delta = assertInstanceOf(WatchEvent.Changed.class, since.result()).delta();
    assertEquals(3, since.heldAt());
    assertEquals(met, delta.from());
    assertEquals(true, assertInstanceOf(Change.Modified.class, delta.changes().get(0)).hasOld());

    WaitOptions soon = WaitOptions.builder().timeout(Duration.ofMillis(50)).build();
    fails("DEADLINE_EXCEEDED", () -> client.waitFor(id, UNTIL, soon));
    fails("INVALID_ARGUMENT", () -> client.waitFor(id, List.of()));
    CompletableFuture<WaitResult> cancelled = waiting.async().waitFor(id, UNTIL, WaitOptions.NONE);
    cancelled.cancel(true);
    assertThrows(CancellationException.class, cancelled::join);
    CompletableFuture<WaitResult> endless = waiting.async().waitFor(id, UNTIL, WaitOptions.NONE);
    waiting.close();
    assertEquals("the client is closed", fails("CANCELLED", () -> Connection.await(endless)).getMessage());
    fails("CANCELLED", () -> waiting.waitFor(id, UNTIL));
  }

  @Test
  void whatIsTriedAgain() throws Exception {
    // However few attempts a call has. A try that lasts for the longest backoff would begin the count anew.
    RetryPolicy once = RetryPolicy.DEFAULT.withAttempts(1).withBackoff(Duration.ofMillis(1), Duration.ofHours(1));
    ClientOptions source = ClientOptions.builder().retry(once).token(() -> "good").build();
    List<Status> doubtful = Collections.nCopies(5, Status.INTERNAL);
    List<Status> fails = new ArrayList<>(List.of(Status.UNAVAILABLE, Status.UNAUTHENTICATED, Status.DEADLINE_EXCEEDED));
    fails.addAll(doubtful);
    assertEquals("met after 9", waited(source, fails));
    assertEquals("INTERNAL after 6", waited(source, Collections.nCopies(6, Status.INTERNAL)));
    assertEquals("UNAUTHENTICATED after 2", waited(source, Collections.nCopies(2, Status.UNAUTHENTICATED)));
    assertEquals("PERMISSION_DENIED after 1", waited(source, List.of(Status.PERMISSION_DENIED)));
    ClientOptions fixed = ClientOptions.builder().retry(once).token("bad").build();
    assertEquals("UNAUTHENTICATED after 1", waited(fixed, List.of(Status.UNAUTHENTICATED)));
  }

  private static String waited(ClientOptions options, List<Status> fails) throws Exception {
    try (FaultyServer server = new FaultyServer((number, request) -> {});
        ChordClient client = ChordClient.connect(server.address(), options)) {
      server.waitFailures.addAll(fails);
      String end = "met";
      try {
        client.waitFor("a", UNTIL);
      } catch (ChordException e) {
        end = e.reason();
      }
      return end + " after " + server.waits.get();
    }
  }

  /** The server goes and comes back while a wait, of one attempt for a call, goes on. */
  @Test
  void overARestart(@TempDir Path folder) throws Exception {
    String address;
    try (ServerSocket socket = new ServerSocket(0)) {
      address = "127.0.0.1:" + socket.getLocalPort();
    }
    String[] args = {"--backend", "lmdb", "--data-dir", folder.toString(), "--listen", address};
    RetryPolicy once = RetryPolicy.DEFAULT.withAttempts(1).withBackoff(Duration.ofMillis(100), Duration.ofSeconds(1));
    try (ChordClient waiting = ChordClient.connect(address, ClientOptions.builder().retry(once).build())) {
      CompletableFuture<WaitResult> wait =
          waiting.async().waitFor("a", List.of(Check.exists(List.of("done"))), WaitOptions.NONE);
      for (boolean kills : new boolean[] {false, true}) {
        TestServer server = TestServer.start(args);
        try (ChordClient other = ChordClient.connect(address)) {
          other.set("a", Map.of("n", 1));
        }
        if (kills) server.kill();
        else server.close();
      }
      try (TestServer server = TestServer.start(args); ChordClient other = ChordClient.connect(server.address)) {
        assertFalse(wait.isDone());
        other.set("a", Map.of("done", true));
        wait.get(20, TimeUnit.SECONDS);
      }
    }
  }
}
