package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** Until, health, and documents that no reader can change. */
class UntilTest extends Live {
  @Test
  void aPredicateThatComesToHold() {
    CompletableFuture<Replica.Kept> found = client.async().until(
        id("a"),
        value -> {
          if (value == null) client.async().set(id("a"), Map.of("n", 1, "rest", REST));
          else if (value.get("n").equals(1.0)) client.async().update(id("a"), Edit.merge(Map.of("n", 2)));
          return value != null && value.get("n").equals(2.0);
        },
        null);
    Replica.Kept kept = found.join();
    assertEquals(Map.of("n", 2.0, "rest", REST), kept.value());
    assertEquals(2, kept.position().version());
    assertEquals(kept, client.until(id("a"), value -> value != null));
    assertNull(client.until(id("b"), value -> value == null));
  }

  @Test
  void aPredicateThatNeverHolds() throws Exception {
    fails("DEADLINE_EXCEEDED", () -> client.until(id("a"), value -> false, Duration.ofMillis(1)));
    fails("INVALID_ARGUMENT", () -> client.until("", value -> false));
    IllegalStateException own = new IllegalStateException("the caller's own");
    assertEquals(
        own,
        assertThrows(IllegalStateException.class, () -> client.until(id("a"), value -> {
          throw own;
        })));
    CompletableFuture<Void> called = new CompletableFuture<>();
    CompletableFuture<Replica.Kept> ends = client.async().until(
        id("a"),
        value -> {
          called.complete(null);
          return false;
        },
        null);
    called.get();
    client.close();
    assertEquals("the client is closed", ends.handle((kept, error) -> error.getMessage()).get());
  }

  /** The timer of an hour does not hold it. */
  @Test
  void whatWasFoundCanBeCollected() {
    client.set(id("a"), Map.of());
    WeakReference<Replica.Kept> found = new WeakReference<>(client.until(id("a"), value -> true, Duration.ofHours(1)));
    while (found.get() != null) System.gc();
  }

  @Test
  void health() {
    assertEquals(HealthStatus.SERVING, client.health());
    assertEquals(HealthStatus.SERVING, client.health("chord.v1.SyncService"));
    fails("NOT_FOUND", () -> client.health("none"));
  }

  @Test
  void documentsCannotBeChanged() throws Exception {
    client.set(id("a"), Map.of("o", Map.of("l", List.of(Map.of("n", 1))), "rest", REST));
    try (Replica replica = copy(List.of(Target.id(id("a"))))) {
      Map<String, Object> first = replica.get(id("a"));
      unmodifiable(first);
      Edit edit = Edit.of(
          Mutation.append(List.of("o", "l"), List.of(Map.of("n", 2))), Mutation.set(List.of("o", "p"), Map.of("q", 3)));
      WriteResult written = client.update(id("a"), edit, UpdateOptions.builder().returnDelta().build());
      replica.waitFor(id("a"), written.position()).get();
      unmodifiable(replica.get(id("a")));
      for (Change change : written.delta().changes()) {
        if (change instanceof Change.Added added) unmodifiable(added.value());
        if (change instanceof Change.Spliced spliced) unmodifiable(spliced.inserted());
      }
      assertEquals(client.get(id("a")).value(), replica.get(id("a")));
      assertEquals(Map.of("l", List.of(Map.of("n", 1.0))), first.get("o"));

      Map<String, Object> own = client.get(id("a")).copy();
      ((Map<?, ?>) own.get("o")).clear();
      List<Replica.Kept> state = List.of(new Replica.Kept(id("a"), own, written.position()));
      try (Replica resumed = Replica.open(client, List.of(Target.id(id("a"))), state)) {
        own.clear();
        assertEquals(REST, resumed.get(id("a")).get("rest"));
        unmodifiable(resumed.get(id("a")));
      }
    }
  }

  private static void unmodifiable(Object value) {
    if (value instanceof Map<?, ?> map) {
      assertThrows(UnsupportedOperationException.class, map::clear);
      map.values().forEach(UntilTest::unmodifiable);
    } else if (value instanceof List<?> list) {
      assertThrows(UnsupportedOperationException.class, list::clear);
      list.forEach(UntilTest::unmodifiable);
    }
  }
}
