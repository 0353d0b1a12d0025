package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.chord.v1.SetContextRequest;
import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.WatchContextsRequest;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.ResourceBundle;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What a program adds to the client, over a socket. */
@Timeout(240)
class HooksTest {
  private static final Map<String, Object> EMPTY = Map.of();

  /** No try ends for lack of time, however slow the machine is: the tests count the tries. */
  private static final RetryPolicy FAST = RetryPolicy.DEFAULT
      .withBackoff(Duration.ofMillis(1), Duration.ofMillis(5))
      .withAttemptTimeout(Duration.ofSeconds(10));

  private final BlockingQueue<Metadata> headers = new LinkedBlockingQueue<>();

  /** Notes the headers of calls; its watches are refused. */
  private FaultyServer listening(FaultyServer.OnSet onSet) throws Exception {
    ServerBuilder<?> builder = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create());
    return new FaultyServer(
        onSet,
        (number, request, stream) -> stream.onError(Status.PERMISSION_DENIED.asRuntimeException()),
        builder.intercept(new ServerInterceptor() {
          @Override
          public <Q, A> ServerCall.Listener<Q> interceptCall(
              ServerCall<Q, A> call, Metadata sent, ServerCallHandler<Q, A> next) {
            headers.add(sent);
            return next.startCall(call, sent);
          }
        }));
  }

  private String header(String name, Metadata of) {
    return of.get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }

  private void watchOnce(ChordClient client) {
    try (Watch watch = client.watch(Target.id("a"))) {
      assertEquals("PERMISSION_DENIED", assertThrows(ChordException.class, watch::hasNext).reason());
    }
  }

  @Test
  void headersOfTheClientAndOfSomeCalls() throws Exception {
    ClientOptions options =
        ClientOptions.builder().metadata(Map.of("X-Tenant", "a")).userAgent("shop/1.2").token("t").build();
    try (FaultyServer peer = listening((number, request) -> {});
        ChordClient client = ChordClient.connect(peer.address(), options)) {
      ChordClient ofRequest = client.withMetadata(Map.of("x-request", "7"));
      ofRequest.set("a", EMPTY);
      watchOnce(ofRequest);
      client.set("a", EMPTY);
      for (String request : new String[] {"7", "7", null}) {
        Metadata sent = headers.take();
        assertEquals("a", header("x-tenant", sent));
        assertEquals(request, header("x-request", sent));
        assertEquals("Bearer t", header("authorization", sent));
        String agent = header("user-agent", sent);
        assertTrue(agent.startsWith("shop/1.2 chordstate-java/0.1.0 grpc-java-netty/"), agent);
      }
      ofRequest.close();
      assertEquals("CANCELLED", assertThrows(ChordException.class, () -> client.get("a")).reason());
    }
    assertThrows(
        ChordException.class,
        () -> ChordClient.connect("127.0.0.1:1", ClientOptions.builder().metadata(Map.of("no name", "")).build()));
  }

  /** As that of OpenTelemetry: a header that continues the caller's trace, and the end of each try. */
  private static final class Tracing implements ClientInterceptor {
    final List<String> told = new CopyOnWriteArrayList<>();

    @Override
    public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
      return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
        @Override
        public void start(Listener<A> listener, Metadata sent) {
          told.add(method.getBareMethodName() + " " + sent.containsKey(
              Metadata.Key.of("x-tenant", Metadata.ASCII_STRING_MARSHALLER)));
          sent.put(Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER), "00-1");
          super.start(listener, sent);
        }

        @Override
        public void sendMessage(Q message) {
          if (message instanceof SetContextRequest set) told.add(set.getContextId());
          super.sendMessage(message);
        }
      };
    }
  }

  @Test
  void interceptorsSeeEachTry() throws Exception {
    Tracing tracing = new Tracing();
    ClientOptions options = ClientOptions.builder()
        .interceptors(tracing)
        .metadata(Map.of("x-tenant", "a"))
        .retry(FAST)
        .build();
    try (FaultyServer peer = listening((number, request) -> {
          if (number == 1) throw Status.UNAVAILABLE.asRuntimeException();
        });
        ChordClient client = ChordClient.connect(peer.address(), options)) {
      client.set("a", EMPTY);
      watchOnce(client);
      assertEquals(List.of("SetContext true", "a", "SetContext true", "a", "WatchContexts true"), tracing.told);
      for (int i = 0; i < 3; i++) assertEquals("00-1", header("traceparent", headers.take()));
    }
  }

  /** The place of the call is given back, and no caller waits for an answer that cannot come. */
  @Test
  void whatAnInterceptorThrowsEndsItsCall() throws Exception {
    AtomicInteger calls = new AtomicInteger();
    ClientInterceptor breaking = new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        int number = calls.incrementAndGet();
        if (number == 1) throw new IllegalStateException("broken");
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void start(Listener<A> listener, Metadata sent) {
            if (number == 3) throw new NoClassDefFoundError("broken"); // of a second try, on another thread
            super.start(listener, sent);
          }

          @Override
          public void sendMessage(Q message) {
            if (number == 4) throw new IllegalStateException("broken"); // the call has begun
            super.sendMessage(message);
          }
        };
      }
    };
    ClientOptions options = ClientOptions.builder()
        .interceptors(breaking)
        .callsInFlight(1)
        .deadline(Duration.ofSeconds(60))
        .retry(FAST)
        .build();
    try (FaultyServer peer = listening((number, request) -> {
          if (number == 1) throw Status.UNAVAILABLE.asRuntimeException();
        });
        ChordClient client = ChordClient.connect(peer.address(), options)) {
      for (int i = 0; i < 3; i++) {
        assertTrue(Live.fails("INTERNAL", () -> client.set("a", EMPTY)).getMessage().contains("broken"));
      }
      client.set("a", EMPTY);
      calls.set(0);
      Watch watch = client.watch(Target.id("a"));
      Live.fails("INTERNAL", watch::hasNext);
      assertTrue(watch.isClosed());
      calls.set(0);
      Live.fails("INTERNAL", () -> client.waitFor("a", List.of()));
      calls.set(0);
      Live.fails(
          "INTERNAL",
          () -> client.stream(SyncServiceGrpc.getWatchContextsMethod(), WatchContextsRequest.getDefaultInstance()));
      assertEquals(2, peer.sets.get());
    }
  }

  @Test
  void theChannelCanBeChanged() throws Exception {
    ClientOptions options = ClientOptions.builder().channel(channel -> channel.userAgent("own")).build();
    try (FaultyServer peer = listening((number, request) -> {});
        ChordClient client = ChordClient.connect(peer.address(), options)) {
      client.set("a", EMPTY);
      assertTrue(header("user-agent", headers.take()).startsWith("own grpc-java-netty/"));
    }
  }

  @Test
  void endpointsTakeTurns() throws Exception {
    FaultyServer.OnSet answers = (number, request) -> {};
    try (FaultyServer first = listening(answers);
        FaultyServer second = listening(answers);
        ChordClient client = ChordClient.connect(
            first.address(), ClientOptions.builder().endpoints(second.address()).deadline(Duration.ofSeconds(50)).build())) {
      // The second one may come up after the first calls.
      while (first.sets.get() < 3 || second.sets.get() < 3) client.set("a", EMPTY);
      first.close();
      int before = second.sets.get();
      for (int i = 0; i < 10; i++) client.set("a", EMPTY);
      assertEquals(10, second.sets.get() - before);
    }
    ClientOptions wrong = ClientOptions.builder().endpoints("no port").build();
    ChordException failed = assertThrows(ChordException.class, () -> ChordClient.connect("127.0.0.1:1", wrong));
    assertEquals("endpoints", failed.violations().get(0).field());
  }

  /** Passes the lines on as level, message and the error's message. */
  private static System.Logger logger(Consumer<String> lines) {
    return new System.Logger() {
      @Override
      public String getName() {
        return "test";
      }

      @Override
      public boolean isLoggable(Level level) {
        return true;
      }

      @Override
      public void log(Level level, ResourceBundle bundle, String message, Throwable error) {
        lines.accept(level + " " + message + " " + error.getMessage());
      }

      @Override
      public void log(Level level, ResourceBundle bundle, String format, Object... params) {}
    };
  }

  /** Opens a replica whose first watch is disconnected, and whose second one is refused as soon as the latch is down. */
  private void refused(System.Logger logger, CountDownLatch refuses, Consumer<Replica> use) throws Exception {
    ClientOptions options = ClientOptions.builder()
        .logger(logger)
        .retry(FAST)
        .build();
    FaultyServer.OnWatch refusing = (number, request, stream) -> {
      if (number == 1) {
        stream.onError(Status.UNAVAILABLE.withDescription("a moment").asRuntimeException());
        return;
      }
      try {
        refuses.await();
      } catch (InterruptedException e) {
        return; // the server is closed
      }
      stream.onError(Status.PERMISSION_DENIED.withDescription("no").asRuntimeException());
    };
    try (FaultyServer peer = new FaultyServer(refusing);
        ChordClient client = ChordClient.connect(peer.address(), options);
        Replica replica = Replica.open(client, List.of(Target.id("a")))) {
      use.accept(replica);
    }
  }

  @Test
  void aLoggerGetsTheEndOfAReplicaBeforeItCanBeSeen() throws Exception {
    List<String> lines = new CopyOnWriteArrayList<>();
    CountDownLatch refuses = new CountDownLatch(1);
    refused(logger(lines::add), refuses, replica -> {
      // Runs on the replica's thread at the moment of the end.
      CompletableFuture<Void> closed = replica.ready().handle((done, error) -> {
        replica.close();
        return null;
      });
      refuses.countDown();
      closed.orTimeout(20, TimeUnit.SECONDS).join();
      assertEquals(
          List.of("WARNING a watch was disconnected, and connects again a moment", "ERROR a replica has ended no"),
          lines);
    });
  }

  @Test
  void aLoggerThatThrowsLeavesNoWaiter() throws Exception {
    System.Logger broken = logger(line -> {
      if (line.startsWith("ERROR")) throw new IllegalStateException("of the program");
    });
    refused(broken, new CountDownLatch(0), replica -> {
      ChordException end = Live.fails("PERMISSION_DENIED", () -> replica.awaitReady(Duration.ofSeconds(20)));
      assertEquals("of the program", end.getSuppressed()[0].getMessage());
    });
  }
}
