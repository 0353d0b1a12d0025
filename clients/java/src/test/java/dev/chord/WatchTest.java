package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class WatchTest extends Live {
  @Test
  void ids() {
    client.set(id("a"), Map.of("n", 1, "rest", REST));
    WatchOptions oldValues = WatchOptions.builder().includeOldValues().build();
    try (Watch watch = client.watch(List.of(Target.id(id("a")), Target.id(id("b"))), oldValues)) {
      List<WatchEvent> first = List.of(take(watch), take(watch));
      assertTrue(first.contains(new WatchEvent.Absent(id("b"))));
      assertTrue(first.stream().anyMatch(each -> each instanceof WatchEvent.Full full
          && full.reason().equals("INITIAL") && full.document().value().get("n").equals(1.0)));
      expect(WatchEvent.CaughtUp.class, watch);
      client.update(id("a"), Edit.merge(Map.of("n", 2)));
      Delta delta = expect(WatchEvent.Changed.class, watch).delta();
      assertEquals(List.of(new Change.Modified(List.of("n"), 2.0, true, 1.0)), delta.changes());
      client.set(id("b"), Map.of());
      assertEquals(Map.of(), expect(WatchEvent.Full.class, watch).document().value());
    }
  }

  @Test
  void prefixDeletionAndRecreation() {
    try (Watch watch = client.watch(Target.prefix(id("p:")))) {
      expect(WatchEvent.CaughtUp.class, watch);
      client.set(id("other"), Map.of());
      Position first = client.set(id("p:1"), Map.of("life", 1)).position();
      assertEquals(first, expect(WatchEvent.Full.class, watch).document().position());
      client.delete(id("p:1"));
      assertEquals(new WatchEvent.Deleted(id("p:1"), first, "DELETED", false), take(watch));
      Position second = client.set(id("p:1"), Map.of("life", 2)).position();
      assertEquals(second, expect(WatchEvent.Full.class, watch).document().position());
      assertNotEquals(first.epoch(), second.epoch());
    }
  }

  @Test
  void knownPositions() {
    Position first = client.set(id("a"), Map.of("n", 0, "rest", REST)).position();
    for (int i = 0; i < 5; i++) client.update(id("a"), Edit.of(Mutation.increment(List.of("n"), 1)));
    Position gone = new Position("e", 1, "d");
    WatchOptions known = WatchOptions.builder().known(Map.of(id("a"), first, id("gone"), gone)).build();
    try (Watch watch = client.watch(List.of(Target.id(id("a")), Target.id(id("gone"))), known)) {
      List<WatchEvent> events = List.of(take(watch), take(watch));
      assertTrue(events.contains(new WatchEvent.Deleted(id("gone"), gone, "UNKNOWN", false)), events::toString);
      assertTrue(events.stream().anyMatch(each -> each instanceof WatchEvent.Changed changed
          && changed.delta().from().equals(first) && changed.delta().to().version() == 6
          && changed.delta().changes().equals(List.of(new Change.Modified(List.of("n"), 5.0, false, null)))));
      expect(WatchEvent.CaughtUp.class, watch);
    }
  }

  @Test
  void slowReader() {
    int writes = 200;
    client.set(id("a"), Map.of());
    try (Watch watch = client.watch(Target.id(id("a")))) {
      Map<String, Object> copy = expect(WatchEvent.Full.class, watch).document().value();
      expect(WatchEvent.CaughtUp.class, watch);
      for (int i = 1; i <= writes; i++) {
        client.update(id("a"), Edit.merge(Map.of("n", i, "blob", String.valueOf(i % 10).repeat(32 << 10))));
      }
      int taken = 0;
      while (!Double.valueOf(writes).equals(copy.get("n"))) {
        WatchEvent event = take(watch);
        if (event instanceof WatchEvent.Full full) copy = full.document().value();
        if (event instanceof WatchEvent.Changed changed) copy = changed.delta().applyTo(copy);
        taken++;
      }
      assertEquals(client.get(id("a")).value(), copy);
      assertTrue(taken < writes / 2, taken + " events: nothing was merged");
    }
  }

  @Test
  void closeEndsAReaderThatWaits() throws Exception {
    ChordClient other = ChordClient.connect(TestServer.shared().address);
    for (boolean byClient : new boolean[] {false, true}) {
      Watch watch = other.watch(Target.id(id("a")));
      CountDownLatch waits = new CountDownLatch(1);
      CompletableFuture<List<WatchEvent>> read = CompletableFuture.supplyAsync(() -> {
        List<WatchEvent> events = new ArrayList<>();
        for (WatchEvent event : watch) {
          events.add(event);
          if (event instanceof WatchEvent.CaughtUp) waits.countDown();
        }
        return events;
      });
      waits.await();
      if (byClient) other.close();
      else watch.close();
      assertEquals(List.of(new WatchEvent.Absent(id("a")), new WatchEvent.CaughtUp()), read.get());
      assertTrue(watch.isClosed());
      assertThrows(NoSuchElementException.class, watch::next);
    }
    fails("CANCELLED", () -> other.watch(Target.id("a")));
    fails("CANCELLED", () -> other.get("a"));
  }

  @Test
  void closeEndsTheWaitForAServer() throws Exception {
    RetryPolicy slow = RetryPolicy.DEFAULT.withBackoff(Duration.ofMinutes(1), Duration.ofMinutes(1));
    try (ChordClient unreachable = ChordClient.connect("127.0.0.1:1", ClientOptions.builder().retry(slow).build())) {
      CompletableFuture<String> broken = new CompletableFuture<>();
      WatchOptions options =
          WatchOptions.builder().onDisconnect((error, delay) -> broken.complete(error.reason())).build();
      Watch watch = unreachable.watch(List.of(Target.id("a")), options);
      CompletableFuture<Boolean> read = CompletableFuture.supplyAsync(watch::hasNext);
      assertEquals("UNAVAILABLE", broken.get());
      watch.close();
      assertFalse(read.get());
    }
  }

  @Test
  void aFinalErrorIsThrownOnce() {
    Watch watch = client.watch(Target.id(""));
    fails("INVALID_ARGUMENT", watch::hasNext);
    assertFalse(watch.hasNext());
  }

  @Test
  void anInterruptLosesNothing() {
    try (Watch watch = client.watch(Target.id(id("a")))) {
      Thread.currentThread().interrupt();
      fails("CANCELLED", watch::next);
      assertTrue(Thread.interrupted());
      assertEquals(new WatchEvent.Absent(id("a")), take(watch));
      Thread.currentThread().interrupt();
      fails("CANCELLED", () -> client.get(id("a")));
      assertTrue(Thread.interrupted());
      expect(WatchEvent.CaughtUp.class, watch);
      assertTrue(watch.poll(Duration.ZERO).isEmpty());
    }
  }

  /** A batch is there at once: whether its second event is taken does not depend on what has arrived. */
  @Test
  void anInterruptThatCameBeforeEndsTheWaitForAnEventThatIsThere() {
    List<Target> both = List.of(Target.id(id("a")), Target.id(id("b")));
    try (Watch watch = client.watch(both, WatchOptions.builder().build())) {
      while (!(take(watch) instanceof WatchEvent.CaughtUp)) {}
      client.batch(List.of(Write.set(id("a"), Map.of()), Write.set(id("b"), Map.of())));
      assertTrue(take(watch).more());
      Thread.currentThread().interrupt();
      fails("CANCELLED", watch::next);
      assertTrue(Thread.interrupted());
      assertFalse(expect(WatchEvent.Full.class, watch).more());
    }
  }

  @Test
  void anInterruptThatCameBeforeACallKeepsItFromBeingSent() {
    List<String> begun = new CopyOnWriteArrayList<>();
    ClientInterceptor noting = new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        begun.add(method.getBareMethodName());
        return next.newCall(method, options);
      }
    };
    ClientOptions options = ClientOptions.builder().interceptors(noting).build();
    try (ChordClient observed = ChordClient.connect(TestServer.shared().address, options)) {
      List<Executable> calls = List.of(
          () -> observed.set(id("a"), Map.of()),
          () -> observed.update(id("a"), Edit.merge(Map.of())),
          () -> observed.edit(id("a"), document -> document.put("n", 1)),
          () -> observed.batch(List.of(Write.set(id("a"), Map.of()))),
          () -> observed.get(id("a")),
          () -> observed.delete(id("a")),
          () -> observed.touch(id("a"), null),
          () -> observed.list(id("")).iterator().hasNext(),
          () -> observed.sync(id("a"), null),
          () -> observed.waitFor(id("a"), List.of(Check.missing(List.of("n")))),
          () -> observed.until(id("a"), document -> true, PATIENCE),
          () -> observed.presence(id("a"), List.of("n"), 1, PATIENCE));
      for (Executable call : calls) {
        Thread.currentThread().interrupt();
        fails("CANCELLED", call);
        assertTrue(Thread.interrupted());
      }
      assertEquals(List.of(), begun);
      observed.set(id("a"), Map.of());
      assertEquals(List.of("SetContext"), begun);
    }
  }

  /** Also where the answer is there before the thread has to wait. */
  @Test
  void anInterruptThatCameBeforeEndsACall() {
    Thread.currentThread().interrupt();
    fails("CANCELLED", () -> Connection.await(CompletableFuture.completedFuture("answer")));
    assertTrue(Thread.interrupted());
  }

  @Test
  void closeLeavesNoThread() throws Exception {
    ChordClient other = ChordClient.connect(TestServer.shared().address);
    Replica closed = Replica.open(other, List.of(Target.id(id("a"))));
    Replica abandoned = Replica.open(other, List.of(Target.id(id("a"))));
    closed.awaitReady(PATIENCE);
    abandoned.awaitReady(PATIENCE);
    expect(WatchEvent.Absent.class, other.watch(Target.id(id("a"))));
    closed.close();
    other.close();
    client.close(); // gRPC keeps threads for all channels, until about a second after the last of them has gone
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (!thread.getName().matches("(grpc|chord).*")) continue;
      thread.join(PATIENCE.toMillis());
      assertFalse(thread.isAlive(), thread::getName);
    }
  }

  /** Each stream that is closed is a reset, and servers bound those: the watch beside them goes on from where it is. */
  @Test
  void thoseThatCloseDoNotEndTheOthers() {
    client.set(id("a"), json("{'n':0,'rest':'%s'}".formatted(REST)));
    List<ChordException> breaks = new ArrayList<>();
    WatchOptions options = WatchOptions.builder().onDisconnect((error, delay) -> breaks.add(error)).build();
    try (Watch watch = client.watch(List.of(Target.id(id("a"))), options)) {
      for (int i = 0; i < 2; i++) take(watch);
      for (int i = 0; i < 1500; i++) {
        try (Watch other = client.watch(Target.id(id("a")))) {
          take(other);
        }
      }
      client.update(id("a"), Edit.of(Mutation.increment(List.of("n"), 1)));
      WatchEvent event = take(watch);
      while (event instanceof WatchEvent.CaughtUp) event = take(watch);
      assertEquals(2, assertInstanceOf(WatchEvent.Changed.class, event, breaks::toString).delta().to().version());
    }
  }
}
