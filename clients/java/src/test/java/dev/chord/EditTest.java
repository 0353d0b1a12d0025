package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EditTest extends Live {
  private static final List<String> N = List.of("n");

  /** No try ends for lack of time. */
  static final RetryPolicy SOON = RetryPolicy.DEFAULT
      .withBackoff(Duration.ofMillis(1), Duration.ofMillis(10))
      .withAttemptTimeout(Duration.ofHours(1));

  /** The values of n that the functions below have seen. */
  private final List<Object> seen = new ArrayList<>();

  /** Increments n, after others have written; they do so as often. */
  private Consumer<Map<String, Object>> afterOthers(int times, Runnable write) {
    int before = seen.size();
    return document -> {
      seen.add(document.get("n"));
      if (seen.size() <= before + times) write.run();
      document.merge("n", 1.0, (n, one) -> (Double) n + (Double) one);
    };
  }

  private Runnable incrementing(String id, String key) {
    return () -> client.update(id, Edit.of(Mutation.increment(List.of(key), 10)));
  }

  @Test
  @SuppressWarnings("unchecked")
  void edit() {
    String id = id("a");
    client.set(id, json("{'n':1,'gone':true,'l':[1],'o':{'x':1,'y':1},'to':{}}"));
    EditOptions returning = EditOptions.builder().returnDocument().returnDelta().build();
    WriteResult edited = client.edit(id, document -> {
      seen.add(1);
      // Of other paths: no conflict.
      client.update(id, Edit.of(Mutation.set(List.of("o", "y"), 2), Mutation.set(List.of("new"), seen.size())));
      document.put("n", 2);
      ((List<Object>) document.get("l")).add(2);
      document.put("to", "text");
      ((Map<String, Object>) document.get("o")).put("x", -0.0);
      document.remove("gone");
    }, returning);
    assertEquals(1, seen.size());
    assertEquals(3, edited.position().version());
    assertEquals(5, edited.delta().changes().size());
    assertEquals(
        json("{'n':2,'l':[1,2],'o':{'x':-0.0,'y':2},'to':'text','new':1}"), edited.document().value());

    assertEquals(
        new WriteResult(edited.position(), false, null, null), client.edit(id, document -> document.put("n", 2)));
    IllegalStateException refusal = new IllegalStateException("not today");
    assertEquals(refusal, assertThrows(IllegalStateException.class, () -> client.edit(id, document -> {
      document.put("n", 3);
      throw refusal;
    })));
    assertEquals(edited.position(), client.get(id).position());
    ChordException unsendable =
        fails("INVALID_ARGUMENT", () -> client.edit(id, document -> document.put("n", List.of(Double.NaN))));
    assertEquals("value.n[0]", unsendable.violations().get(0).field());
  }

  @Test
  void isMadeAgain() {
    String id = id("a");
    client.set(id, Map.of("n", 0));
    client.edit(id, afterOthers(2, incrementing(id, "n")));
    assertEquals(List.of(0.0, 10.0, 20.0), seen);
    List<EditOptions> options = List.of(
        EditOptions.builder().reads(List.of(List.of("m"))).build(), EditOptions.builder().readsDocument().build());
    for (EditOptions each : options) {
      seen.clear();
      client.edit(id, afterOthers(1, incrementing(id, "m")), each);
      assertEquals(2, seen.size());
    }
    assertEquals(json("{'n':23,'m':20}"), client.get(id).value());

    seen.clear();
    ChordException inVain = fails("ABORTED", () ->
        client.edit(id, afterOthers(9, incrementing(id, "n")), EditOptions.builder().attempts(2).build()));
    assertEquals(2, seen.size());
    assertEquals(
        List.of(new UnmetConditionsException.Touched(N, 10, null)),
        assertInstanceOf(UnmetConditionsException.class, inVain).conditions());

    // An interrupt ends the pause.
    seen.clear();
    fails("CANCELLED", () -> client.edit(id, afterOthers(1, () -> {
      incrementing(id, "n").run();
      Thread.currentThread().interrupt();
    })));
    assertEquals(true, Thread.interrupted());
  }

  /** A write that the deadline cuts off may have happened. Before it, nothing has, and the conflict is the error. */
  @ParameterizedTest
  @CsvSource({
    "read, false, ABORTED", "function, false, ABORTED", "write, false, DEADLINE_EXCEEDED",
    "read, true, ABORTED", "function, true, ABORTED", "write, true, DEADLINE_EXCEEDED",
  })
  void theDeadlineAfterAConflict(String outlasting, boolean async, String reason) throws Exception {
    // Until the deadline comes after the second attempt has begun what outlasts it, also on a slow machine.
    for (Duration deadline = Duration.ofMillis(100); ; deadline = deadline.multipliedBy(2)) {
      assertTrue(deadline.compareTo(PATIENCE.multipliedBy(4)) < 0, "not in time");
      EditOptions options = EditOptions.builder().deadline(deadline).build();
      try (FaultyServer peer = new FaultyServer((number, request) -> {});
          ChordClient hasty = ChordClient.connect(peer.address(), ClientOptions.builder().retry(SOON).build())) {
        peer.updateFailures.add(Status.ABORTED);
        if (outlasting.equals("read")) peer.answeredGets = 1;
        long millis = deadline.toMillis() + 1;
        List<Integer> calls = new ArrayList<>();
        Consumer<Map<String, Object>> change = document -> {
          document.put("n", 1);
          calls.add(1);
          if (calls.size() > 1 && outlasting.equals("function")) sleep(millis);
        };
        ChordException late = assertThrows(ChordException.class, () -> {
          if (async) Connection.await(hasty.async().edit("a", change, options));
          else hasty.edit("a", change, options);
        });
        boolean begun =
            switch (outlasting) {
              case "read" -> peer.gets.get() > 1;
              case "function" -> calls.size() > 1;
              default -> peer.updates.get() > 1;
            };
        if (!begun) continue;
        assertEquals(reason, late.reason(), late::toString);
        assertEquals(outlasting.equals("write") ? 2 : 1, peer.updates.get());
        return;
      }
    }
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void ofWhatIsMissing() {
    String id = id("a");
    fails("NOT_FOUND", () -> client.edit(id, document -> {}));
    EditOptions options = EditOptions.builder().allowMissing().ttl(Duration.ofHours(1)).build();
    client.edit(id, afterOthers(2, () -> {
      if (seen.size() == 1) client.set(id, Map.of("n", 5));
      else client.delete(id);
    }), options);
    assertEquals(3, seen.size());
    assertEquals(5.0, seen.get(1));
    assertEquals(json("{'n':1}"), client.get(id).value());
    assertNotNull(client.get(id).expiresAt());
    assertEquals(1, client.edit(id("b"), document -> {}, options).position().version());
  }

  @Test
  void concurrentEdits() throws Exception {
    String id = id("a");
    client.set(id, Map.of("n", 0));
    RetryPolicy retry =
        RetryPolicy.DEFAULT.withAttempts(1000).withBackoff(Duration.ofMillis(1), Duration.ofSeconds(1));
    ClientOptions options = ClientOptions.builder().retry(retry).deadline(PATIENCE).build();
    ExecutorService threads = Executors.newFixedThreadPool(20);
    try (ChordClient busy = ChordClient.connect(TestServer.shared().address, options)) {
      List<Callable<WriteResult>> edits = new ArrayList<>();
      for (int i = 0; i < 20; i++) {
        edits.add(() -> busy.edit(id, document -> document.put("n", (Double) document.get("n") + 1)));
      }
      for (Future<WriteResult> each : threads.invokeAll(edits)) each.get();
    }
    threads.shutdown();
    assertEquals(Map.of("n", 20.0), client.get(id).value());
  }
}
