package dev.chord;

import static dev.chord.FaultyServer.SILENCE;
import static dev.chord.FaultyServer.caughtUp;
import static dev.chord.FaultyServer.full;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Peers that are away, busy or full. */
@Timeout(240)
class OutageTest {
  private static final Duration HOUR = Duration.ofHours(1);

  private static int freePort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /** A word before each failure is no health. */
  @Test
  void aPeerThatSaysOneWordIsNotHammered() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      stream.onNext(full("a", number));
      stream.onError(Status.UNAVAILABLE.asRuntimeException());
    };
    List<Duration> delays = new ArrayList<>();
    WatchOptions options = WatchOptions.builder().onDisconnect((error, delay) -> delays.add(delay)).build();
    RetryPolicy retry = RetryPolicy.DEFAULT.withBackoff(Duration.ofMillis(1), Duration.ofSeconds(10));
    try (FaultyServer server = new FaultyServer(onWatch);
        ChordClient client =
            ChordClient.connect(server.address(), ClientOptions.builder().retry(retry).build())) {
      Watch watch = client.watch(List.of(Target.id("a")), options);
      for (int n = 0; n < 8; n++) Live.take(watch);
      for (int n = 0; n < 7; n++) {
        assertTrue(delays.get(n).toNanos() >= 500_000L << n, delays::toString);
      }
    }
  }

  /** Its own backoff would let it wait for half an hour. */
  @Test
  void aReplicaWakesWithTheCalls() throws Exception {
    int port = freePort();
    RetryPolicy retry = RetryPolicy.DEFAULT.withBackoff(HOUR, HOUR);
    try (ChordClient client =
        ChordClient.connect("127.0.0.1:" + port, ClientOptions.builder().retry(retry).build())) {
      BlockingQueue<Duration> delays = new LinkedBlockingQueue<>();
      Replica replica = Replica.open(client, List.of(Target.id("a")), new ReplicaListener() {
        @Override
        public void changed(ReplicaChange change) {}

        @Override
        public void disconnected(ChordException error, Duration delay) {
          delays.add(delay);
        }
      });
      assertTrue(delays.take().compareTo(HOUR.dividedBy(2)) >= 0);
      FaultyServer.OnWatch onWatch = (number, request, stream) -> {
        stream.onNext(full("a", 1));
        stream.onNext(caughtUp());
      };
      try (FaultyServer server = new FaultyServer((number, request) -> {}, onWatch,
          Grpc.newServerBuilderForPort(port, InsecureServerCredentials.create()))) {
        client.set("a", Map.of());
        replica.awaitReady(Duration.ofSeconds(30));
      }
    }
  }

  /** The server lets four streams a connection; the calls beside the watches must find room. */
  @Test
  void watchesLeaveRoomForCalls() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> stream.onNext(full("a", 1));
    NettyServerBuilder four = NettyServerBuilder.forPort(0).maxConcurrentCallsPerConnection(4);
    try (FaultyServer server = new FaultyServer((number, request) -> {}, onWatch, four);
        ChordClient client = ChordClient.connect(
            server.address(), ClientOptions.builder().watchesPerConnection(3).build())) {
      List<Watch> watches = new ArrayList<>();
      for (int i = 0; i < 10; i++) {
        watches.add(client.watch(Target.id("a")));
        Live.take(watches.get(i));
      }
      client.set("a", Map.of());
      watches.forEach(Watch::close);
      Live.take(client.watch(Target.id("a")));
    }
  }

  @Test
  void callsInFlightAreBounded() throws Exception {
    AtomicInteger now = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    CountDownLatch three = new CountDownLatch(3);
    FaultyServer.OnSet onSet = (number, request) -> {
      most.accumulateAndGet(now.incrementAndGet(), Math::max);
      three.countDown();
      three.await();
      now.decrementAndGet();
    };
    try (FaultyServer server = new FaultyServer(onSet);
        ChordClient client =
            ChordClient.connect(server.address(), ClientOptions.builder().callsInFlight(3).deadline(Duration.ofMinutes(1)).build())) {
      List<CompletableFuture<WriteResult>> calls = new ArrayList<>();
      for (int i = 0; i < 200; i++) calls.add(client.async().set("a", Map.of()));
      for (CompletableFuture<WriteResult> call : calls) assertEquals(1, call.get().position().version());
      assertEquals(3, most.get());
    }
  }

  /** Never answers. */
  private static FaultyServer.OnSet silent(CountDownLatch begun) {
    return (number, request) -> {
      begun.countDown();
      throw SILENCE;
    };
  }

  @Test
  void aDeadlineEndsTheWaitForOtherCalls() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    ClientOptions one = ClientOptions.builder().callsInFlight(1).build();
    SetOptions soon = SetOptions.builder().deadline(Duration.ofMillis(50)).build();
    try (FaultyServer server = new FaultyServer(silent(begun)); ChordClient client = ChordClient.connect(server.address(), one)) {
      CompletableFuture<WriteResult> first = client.async().set("a", Map.of());
      begun.await();
      Live.fails("DEADLINE_EXCEEDED", () -> client.set("b", Map.of(), soon));
      assertEquals(1, server.sets.get());
      // To cancel a future ends its call, and makes room.
      first.cancel(true);
      Assertions.assertThrows(CancellationException.class, first::join);
      CompletableFuture<WriteResult> second = client.async().set("c", Map.of());
      client.close();
      ChordException closed = Live.fails("CANCELLED", () -> Connection.await(second));
      assertEquals("the client is closed", closed.getMessage());
      assertEquals(
          "the client is closed", Live.fails("CANCELLED", () -> client.get("a")).getMessage());
      client.close();
    }
  }

  @Test
  void aCancelledContextEndsTheWaitForOtherCalls() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    RetryPolicy patient = RetryPolicy.DEFAULT.withAttemptTimeout(HOUR);
    ClientOptions one = ClientOptions.builder().callsInFlight(1).deadline(HOUR).retry(patient).build();
    try (FaultyServer server = new FaultyServer(silent(begun)); ChordClient client = ChordClient.connect(server.address(), one)) {
      client.async().set("a", Map.of());
      begun.await();
      Context.CancellableContext context = Context.current().withCancellation();
      List<CompletableFuture<WriteResult>> calls = new ArrayList<>();
      context.run(() -> calls.add(client.async().set("b", Map.of())));
      context.cancel(null);
      context.run(() -> calls.add(client.async().set("c", Map.of())));
      for (CompletableFuture<WriteResult> call : calls) {
        Live.fails("CANCELLED", () -> Connection.await(call.orTimeout(20, TimeUnit.SECONDS)));
      }
      assertEquals(1, server.sets.get());
    }
  }

  @Test
  void theFirstCauseIsTold() throws Exception {
    FaultyServer.OnSet onSet = (number, request) -> {
      if (number == 1) throw Status.UNAVAILABLE.withDescription("away").asRuntimeException();
      throw SILENCE;
    };
    assertEquals("away", inEnoughTime(soon -> {
      try (FaultyServer server = new FaultyServer(onSet);
          ChordClient client = ChordClient.connect(server.address())) {
        return assertThrows(ChordException.class, () -> client.set("a", Map.of(), soon));
      }
    }).getMessage());
    ChordException refused = inEnoughTime(soon -> {
      try (ChordClient client = ChordClient.connect("127.0.0.1:1")) { // no server listens there
        return assertThrows(ChordException.class, () -> client.set("a", Map.of(), soon));
      }
    });
    assertTrue(refused.getMessage().contains("refused"), refused::toString);
  }

  private interface Late {
    ChordException call(SetOptions soon) throws Exception;
  }

  /** With a deadline that is twice as late each time, until the call has come so far that it fails with something else. */
  private static ChordException inEnoughTime(Late call) throws Exception {
    for (Duration deadline = Duration.ofMillis(300); ; deadline = deadline.multipliedBy(2)) {
      ChordException failed = call.call(SetOptions.builder().deadline(deadline).build());
      if (failed.code() != Status.Code.DEADLINE_EXCEEDED || deadline.compareTo(Duration.ofMinutes(1)) > 0) {
        assertEquals("UNAVAILABLE", failed.reason(), failed::toString);
        return failed;
      }
    }
  }

  /** 2^31 ms are 24.8 days: what is longer would end at once on some servers. */
  @Test
  void longDeadlinesAreCut() throws Exception {
    List<Long> left = new ArrayList<>();
    FaultyServer.OnSet onSet =
        (number, request) -> left.add(Context.current().getDeadline().timeRemaining(TimeUnit.DAYS));
    List<Boolean> streams = new ArrayList<>();
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      streams.add(Context.current().getDeadline() != null);
      stream.onNext(full("a", 1));
    };
    Duration years = Duration.ofDays(3650);
    ClientOptions patient =
        ClientOptions.builder().deadline(years).retry(RetryPolicy.DEFAULT.withAttemptTimeout(years)).build();
    ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    try (FaultyServer server =
            new FaultyServer(onSet, onWatch, InsecureServerCredentials.create());
        ChordClient client = ChordClient.connect(server.address(), patient)) {
      client.set("a", Map.of());
      assertEquals(List.of(23L), left);
      Context.current().withDeadlineAfter(3650, TimeUnit.DAYS, timer).run(() -> Live.take(client.watch(Target.id("a"))));
      assertEquals(List.of(false), streams);
    } finally {
      timer.shutdownNow();
    }
  }
}
