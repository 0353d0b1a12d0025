package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.chord.v1.UpdateContextRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.MethodDescriptor;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class PresenceTest extends Live {
  private static final List<String> PATH = List.of("members", "ann");
  private static final Duration SECOND = Duration.ofSeconds(1);

  /** Each fact comes to hold: on a busy machine a member may also expire before it is renewed, and is then set again. */
  @Test
  void isRenewedAndSetAgainWhereItHasGone() {
    Queue<ChordException> failures = new ConcurrentLinkedQueue<>();
    String id = id("a");
    fails("INVALID_ARGUMENT", () -> client.presence(id, PATH, 1, Duration.ofMillis(1)));
    Map<String, Object> first = json("{'members':{'ann':{'n':1}}}");
    try (Presence presence = client.presence(id, PATH, Map.of("n", 1), SECOND, failures::add)) {
      Instant until = awaitExpiryAfter(Instant.MIN, id);
      awaitExpiryAfter(until, id);
      client.until(id, first::equals, PATIENCE);
      client.update(id, Edit.of(Mutation.remove(PATH)));
      client.until(id, first::equals, PATIENCE);
      presence.set(Map.of("n", 2));
      client.until(id, json("{'members':{'ann':{'n':2}}}")::equals, PATIENCE);
    }
    client.until(id, json("{'members':{}}")::equals, PATIENCE);
    failures.removeIf(error -> error.reason().equals("DEADLINE_EXCEEDED"));
    assertEquals(List.of(), List.copyOf(failures));
  }

  private Instant awaitExpiryAfter(Instant before, String id) {
    GetOptions options = GetOptions.builder().includeExpiries().build();
    while (true) {
      List<MemberExpiry> expiries = client.get(id, options).expiries();
      if (!expiries.isEmpty() && expiries.get(0).expiresAt().isAfter(before)) return expiries.get(0).expiresAt();
    }
  }

  /** Calls this with each update, before it is on its way. */
  private static ChordClient observed(Consumer<UpdateContextRequest> onUpdate) {
    ClientInterceptor interceptor = new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void sendMessage(Q message) {
            if (message instanceof UpdateContextRequest update) onUpdate.accept(update);
            super.sendMessage(message);
          }
        };
      }
    };
    ClientOptions options =
        ClientOptions.builder().interceptors(interceptor).deadline(Duration.ofSeconds(120)).build();
    return ChordClient.connect(TestServer.shared().address, options);
  }

  @Test
  void theValueThatIsSetLastIsTheOneThatIsThere() throws Exception {
    String id = id("c");
    List<Double> sent = new CopyOnWriteArrayList<>();
    AtomicReference<Presence> own = new AtomicReference<>();
    Thread later = new Thread(() -> own.get().set(3));
    Consumer<UpdateContextRequest> onUpdate = update -> {
      double value = update.getMutations(0).getSet().getNumberValue();
      if (value == 2) {
        later.start();
        // Until it waits for its turn, or else for its answer.
        while (later.getState() != Thread.State.WAITING && later.isAlive()) Thread.yield();
      }
      sent.add(value);
    };
    try (ChordClient observed = observed(onUpdate)) {
      Presence presence = observed.presence(id, PATH, 1, Duration.ofHours(1));
      own.set(presence);
      presence.set(2);
      later.join();
      assertEquals(List.of(1.0, 2.0, 3.0), sent);
      assertEquals(json("{'members':{'ann':3}}"), client.get(id).value());
      presence.close();
      presence.close();
      fails("CANCELLED", () -> presence.set(4));
      assertEquals(json("{'members':{}}"), client.get(id).value());
    }
  }

  /** It does not wait for the write before it, and its value is not taken. */
  @Test
  void anInterruptEndsTheWaitForAnotherWrite() {
    String id = id("f");
    List<Double> sent = new CopyOnWriteArrayList<>();
    AtomicReference<Presence> own = new AtomicReference<>();
    CompletableFuture<String> ended = new CompletableFuture<>();
    Thread later = new Thread(() -> {
      Thread.currentThread().interrupt();
      try {
        own.get().set(3);
      } catch (ChordException e) {
        ended.complete(e.reason());
      }
    });
    Consumer<UpdateContextRequest> onUpdate = update -> {
      double value = update.getMutations(0).getSet().getNumberValue();
      if (value == 2) {
        later.start();
        assertEquals("CANCELLED", ended.orTimeout(20, TimeUnit.SECONDS).join());
      }
      sent.add(value);
    };
    try (ChordClient observed = observed(onUpdate)) {
      Presence presence = observed.presence(id, PATH, 1, Duration.ofHours(1));
      own.set(presence);
      presence.set(2);
      assertEquals(List.of(1.0, 2.0), sent);
    }
  }

  /** Each removal waits until the other one has begun. */
  @Test
  void theClientClosesAllAtTheSameTime() {
    String id = id("d");
    CountDownLatch removals = new CountDownLatch(2);
    Queue<Boolean> together = new ConcurrentLinkedQueue<>();
    ChordClient observed = observed(update -> {
      if (!update.getMutations(0).hasRemove()) return;
      removals.countDown();
      try {
        together.add(removals.await(20, TimeUnit.SECONDS));
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    });
    observed.presence(id, PATH, 1, Duration.ofHours(1));
    observed.presence(id, List.of("members", "bob"), 1, Duration.ofHours(1));
    observed.close();
    assertEquals(List.of(true, true), List.copyOf(together));
    assertEquals(json("{'members':{}}"), client.get(id).value());
  }

  @Test
  void isClosedFromOnError() throws Exception {
    String id = id("e");
    CompletableFuture<Presence> own = new CompletableFuture<>();
    CountDownLatch closed = new CountDownLatch(1);
    own.complete(client.presence(id, PATH, 1, SECOND, error -> {
      own.join().close();
      closed.countDown();
    }));
    client.set(id, Map.of("members", "not an object"));
    assertTrue(closed.await(20, TimeUnit.SECONDS));
    fails("CANCELLED", () -> own.join().set(2));
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
}
