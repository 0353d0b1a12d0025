package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ReplicaTest extends Live {
  @Test
  void copies() throws Exception {
    client.set(id("p:1"), json("{'__proto__':[1],'rest':'%s'}".formatted(REST)));
    BlockingQueue<ReplicaChange> changes = new LinkedBlockingQueue<>();
    Replica replica = copy(List.of(Target.prefix(id("p:")), Target.id(id("a"))), changes::add);
    Map<String, Object> first = replica.get(id("p:1"));
    assertEquals(json("{'__proto__':[1],'rest':'%s'}".formatted(REST)), first);
    assertTrue(replica.isLive());
    assertEquals(Set.of(id("p:1")), replica.ids());
    assertNull(replica.get(id("a")));
    assertNull(changes.take().changes());

    Position updated =
        client.update(id("p:1"), Edit.of(Mutation.append(List.of("__proto__"), List.of(2)))).position();
    ReplicaChange change = changes.take();
    assertEquals(id("p:1"), change.id());
    assertEquals(updated, change.position());
    assertEquals(List.of(1.0, 2.0), change.value().get("__proto__"));
    assertEquals(1, change.changes().size());
    assertEquals(List.of(1.0), first.get("__proto__"));
    assertSame(replica.get(id("p:1")), change.value());

    client.set(id("a"), Map.of());
    until(() -> replica.get(id("a")) != null);
    client.delete(id("p:1"));
    until(() -> replica.size() == 1);
    changes.take();
    assertEquals(new ReplicaChange(id("p:1"), null, null, null), changes.take());

    replica.close();
    replica.close();
    assertFalse(replica.isLive());
    assertEquals(Map.of(), replica.get(id("a")));
    replica.awaitReady(Duration.ZERO);
    assertTrue(replica.ready().isDone());
  }

  @Test
  void survivesListenersThatThrow() throws Exception {
    BlockingQueue<Throwable> problems = new LinkedBlockingQueue<>();
    Replica replica = copy(List.of(Target.id(id("a"))), new ReplicaListener() {
      @Override
      public void changed(ReplicaChange change) {
        throw new AssertionError("on purpose");
      }

      @Override
      public void failed(Throwable error) {
        problems.add(error);
        throw new IllegalStateException("on purpose, too");
      }
    });
    client.set(id("a"), Map.of("n", 1));
    client.set(id("a"), Map.of("n", 2));
    until(() -> Map.of("n", 2.0).equals(replica.get(id("a"))));
    assertEquals("on purpose", problems.take().getMessage());
    replica.close();
  }

  @Test
  void thatCannotBegin() throws Exception {
    BlockingQueue<Throwable> problems = new LinkedBlockingQueue<>();
    Replica replica = Replica.open(client, List.of(Target.id("")), new ReplicaListener() {
      @Override
      public void changed(ReplicaChange change) {}

      @Override
      public void failed(Throwable error) {
        problems.add(error);
      }
    });
    ChordException failed = fails("INVALID_ARGUMENT", () -> replica.awaitReady(PATIENCE));
    assertSame(failed, problems.take());

    try (ChordClient unreachable = ChordClient.connect("127.0.0.1:1")) {
      Replica waiting = Replica.open(unreachable, List.of(Target.id("a")));
      fails("DEADLINE_EXCEEDED", () -> waiting.awaitReady(Duration.ofMillis(1)));
      waiting.close();
      fails("CANCELLED", () -> waiting.awaitReady(PATIENCE));
    }
  }

  @Test
  void anInterruptThatCameBeforeEndsTheWaitForOneThatIsReady() {
    try (Replica replica = copy(List.of(Target.id(id("a"))))) {
      Thread.currentThread().interrupt();
      fails("CANCELLED", () -> replica.awaitReady(PATIENCE));
      assertTrue(Thread.interrupted());
      replica.awaitReady(Duration.ZERO);
    }
  }

  @Test
  void closeFromAListener() throws Exception {
    List<Replica> own = new ArrayList<>();
    BlockingQueue<ReplicaChange> changes = new LinkedBlockingQueue<>();
    Replica replica = copy(List.of(Target.id(id("a"))), change -> {
      changes.add(change);
      own.get(0).close();
    });
    own.add(replica);
    client.set(id("a"), Map.of());
    assertNotNull(changes.take());
    replica.close();
    client.set(id("a"), Map.of("n", 1));
    assertTrue(changes.isEmpty());
  }

  /** Its watch has the right positions but the copy is spoilt: the next delta does not fit. */
  @Test
  void healsItself() throws Exception {
    Position first = client.set(id("a"), Map.of("o", Map.of("n", 1), "rest", REST)).position();
    List<String> broken = new ArrayList<>();
    Replica.Kept spoilt = new Replica.Kept(id("a"), Map.of("rest", REST), first);
    Replica replica = Replica.open(client, List.of(Target.id(id("a"))), List.of(spoilt), new ReplicaListener() {
      @Override
      public void changed(ReplicaChange change) {}

      @Override
      public void disconnected(ChordException error, Duration delay) {
        broken.add(error.getMessage());
      }
    });
    replica.awaitReady(PATIENCE);
    Position last = client.update(id("a"), Edit.of(Mutation.set(List.of("o", "n"), 2))).position();
    until(() -> last.equals(replica.position(id("a"))));
    assertEquals(Map.of("o", Map.of("n", 2.0), "rest", REST), replica.get(id("a")));
    replica.close();
    assertEquals(List.of("an event does not fit what came before"), broken);
  }

  @Test
  void manyWrites() throws Exception {
    Replica replica = copy(List.of(Target.prefix(id(""))));
    Map<String, Position> latest = new HashMap<>();
    for (int i = 0; i < 300; i++) {
      String id = id(String.valueOf(i % 7));
      Edit edit = Edit.of(
          Mutation.set(List.of("o", String.valueOf(i % 5), "i"), i),
          Mutation.append(List.of("l"), List.of(i)),
          Mutation.splice(List.of("l"), 0, i % 2, List.of()),
          Mutation.remove(List.of("o", String.valueOf((i + 2) % 5))));
      latest.put(id, client.update(id, edit, UpdateOptions.builder().allowMissing().build()).position());
    }
    for (String id : latest.keySet()) {
      until(() -> latest.get(id).equals(replica.position(id)));
      assertEquals(client.get(id).value(), replica.get(id));
    }
    replica.close();
  }

  @Test
  void fromWhatWasKept() throws Exception {
    for (String name : List.of("a", "b")) client.set(id(name), json("{'n':0,'rest':'%s'}".formatted(REST)));
    List<Target> targets = List.of(Target.prefix(id("")));
    List<Replica.Kept> state = new ArrayList<>();
    try (Replica first = copy(targets)) {
      state.addAll(first.state());
    }
    state.add(new Replica.Kept("elsewhere", Map.of(), state.get(0).position()));
    client.delete(id("b"));
    Position written = client.update(id("a"), Edit.of(Mutation.increment(List.of("n"), 1))).position();

    BlockingQueue<ReplicaChange> changes = new LinkedBlockingQueue<>();
    Replica replica = Replica.open(client, targets, state, changes::add);
    assertNotNull(replica.get(id("a"))); // at once
    replica.waitFor(id("a"), written).get(20, TimeUnit.SECONDS);
    replica.waitFor(id("b"), value -> value == null).get(20, TimeUnit.SECONDS);
    assertEquals(Set.of(id("a")), replica.ids());
    assertEquals(client.get(id("a")).value(), replica.get(id("a")));
    Map<String, Boolean> byDelta = new HashMap<>();
    for (int i = 0; i < 2; i++) {
      ReplicaChange change = changes.poll(20, TimeUnit.SECONDS);
      byDelta.put(change.id(), change.changes() != null);
    }
    assertEquals(Map.of(id("a"), true, id("b"), false), byDelta);

    CompletableFuture<Void> never = replica.waitFor(id("a"), value -> false);
    replica.close();
    ExecutionException ended = assertThrows(ExecutionException.class, never::get);
    assertEquals("CANCELLED", ((ChordException) ended.getCause()).reason());
  }
}
