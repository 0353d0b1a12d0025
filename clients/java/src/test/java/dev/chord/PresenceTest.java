package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class PresenceTest extends Live {
  private static final List<String> PATH = List.of("members", "ann");
  private static final Duration SECOND = Duration.ofSeconds(1);

  @Test
  void isRenewedSetAgainWhereItHasGoneAndRemoved() {
    Queue<ChordException> failures = new ConcurrentLinkedQueue<>();
    String id = id("a");
    fails("INVALID_ARGUMENT", () -> client.presence(id, PATH, 1, Duration.ofMillis(1)));
    try (Watch watch = client.watch(Target.id(id))) {
      Presence presence = client.presence(id, PATH, Map.of("n", 1), SECOND, failures::add);
      // Another member outlives two of its times to live.
      client.update(id, Edit.of(Mutation.set(List.of("timer"), true, Duration.ofSeconds(2))));
      awaitVersion(watch, 3);
      assertEquals(json("{'members':{'ann':{'n':1}}}"), client.get(id).value());
      client.update(id, Edit.of(Mutation.remove(PATH)));
      awaitVersion(watch, 5);
      assertEquals(json("{'members':{'ann':{'n':1}}}"), client.get(id).value());
      presence.set(Map.of("n", 2));
      assertEquals(json("{'members':{'ann':{'n':2}}}"), client.get(id).value());
      presence.close();
      presence.close();
      fails("CANCELLED", () -> presence.set(Map.of("n", 3)));
      assertEquals(json("{'members':{}}"), client.get(id).value());
    }
    assertEquals(List.of(), List.copyOf(failures));
  }

  /** The member that is in the way of the presence goes, and the presence is there again. */
  @Test
  void outlivesWhatOnErrorThrows() {
    String id = id("b");
    CountDownLatch told = new CountDownLatch(1);
    Consumer<ChordException> onError = error -> {
      told.countDown();
      throw new IllegalStateException("of the program");
    };
    try (Presence presence = client.presence(id, PATH, 1, SECOND, onError)) {
      client.set(id, Map.of("members", "not an object"));
      assertTrue(told.await(20, TimeUnit.SECONDS));
      client.set(id, Map.of());
      Map<String, Object> again = json("{'members':{'ann':1}}");
      assertEquals(again, client.until(id, again::equals, PATIENCE).value());
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static void awaitVersion(Watch watch, long version) {
    for (WatchEvent event : watch) {
      if (event instanceof WatchEvent.Full full && full.document().position().version() >= version) return;
      if (event instanceof WatchEvent.Changed changed && changed.delta().to().version() >= version) return;
    }
  }
}
