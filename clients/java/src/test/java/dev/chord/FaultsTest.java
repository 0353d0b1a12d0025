package dev.chord;

import static dev.chord.FaultyServer.SILENCE;
import static dev.chord.FaultyServer.delta;
import static dev.chord.FaultyServer.full;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Message;
import com.google.protobuf.Timestamp;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.chord.v1.Closing;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.Context;
import io.grpc.InsecureServerCredentials;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.TlsServerCredentials;
import io.grpc.protobuf.StatusProto;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

@Timeout(240)
class FaultsTest {
  /** No try ends for lack of time, however slow the machine is: the tests count the tries. */
  private static final RetryPolicy FAST = RetryPolicy.DEFAULT
      .withBackoff(Duration.ofMillis(1), Duration.ofMillis(5))
      .withAttemptTimeout(Duration.ofSeconds(10));

  private static ChordClient connect(FaultyServer server, RetryPolicy retry) {
    return ChordClient.connect(server.address(), ClientOptions.builder().retry(retry).build());
  }

  private static StatusRuntimeException said(Status.Code code, Message detail) {
    return StatusProto.toStatusRuntimeException(
        com.google.rpc.Status.newBuilder().setCode(code.value()).addDetails(Any.pack(detail)).build());
  }

  @Test
  void triesAgainWithTheSameRequestId() throws Exception {
    Set<String> ids = ConcurrentHashMap.newKeySet();
    FaultyServer.OnSet onSet = (number, request) -> {
      ids.add(request.getRequestId());
      if (number == 1) throw Status.UNAVAILABLE.asRuntimeException();
      if (number == 2) throw SILENCE; // this try's time runs out, the call's does not
      if (number == 3) throw Status.INTERNAL.asRuntimeException();
    };
    RetryPolicy impatient = FAST.withAttemptTimeout(Duration.ofMillis(200)).withAttempts(40);
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, impatient)) {
      assertEquals(1, client.set("a", Map.of()).position().version());
      assertTrue(server.sets.get() >= 4); // a slow machine cuts off others, too
      assertEquals(1, ids.size());
    }
  }

  @ParameterizedTest
  @EnumSource(value = Status.Code.class, names = {"ABORTED", "UNAUTHENTICATED", "INTERNAL", "UNKNOWN"})
  void finalErrorsAreNotTriedAgain(Status.Code code) throws Exception {
    ErrorInfo info = ErrorInfo.newBuilder().setDomain("chord").setReason("SAID").build();
    FaultyServer.OnSet onSet = (number, request) -> {
      throw said(code, info);
    };
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, FAST)) {
      Live.fails("SAID", () -> client.set("a", Map.of()));
      assertEquals(1, server.sets.get());
    }
  }

  @Test
  void triesEndWithTheAttempts() throws Exception {
    FaultyServer.OnSet onSet = (number, request) -> {
      throw Status.UNAVAILABLE.asRuntimeException();
    };
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, FAST.withAttempts(3))) {
      Live.fails("UNAVAILABLE", () -> client.set("a", Map.of()));
      assertEquals(3, server.sets.get());
    }
  }

  @Test
  void noTryWhereTheWaitDoesNotFitIntoTheDeadline() throws Exception {
    RetryInfo anHour =
        RetryInfo.newBuilder().setRetryDelay(Conversion.toDuration(Duration.ofHours(1))).build();
    FaultyServer.OnSet onSet = (number, request) -> {
      throw said(Status.Code.UNAVAILABLE, anHour);
    };
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, FAST)) {
      ChordException failed = Live.fails("UNAVAILABLE", () -> client.set("a", Map.of()));
      assertEquals(Duration.ofHours(1), failed.retryAfter());
      assertEquals(1, server.sets.get());
    }
  }

  @Test
  void aLongBackoffDoesNotEndACallEarly() throws Exception {
    FaultyServer.OnSet onSet = (number, request) -> {
      if (number < 3) throw Status.UNAVAILABLE.asRuntimeException();
    };
    RetryPolicy slow = RetryPolicy.DEFAULT.withBackoff(Duration.ofMinutes(1), Duration.ofMinutes(1));
    SetOptions soon = SetOptions.builder().deadline(Duration.ofSeconds(4)).build();
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, slow)) {
      client.set("a", Map.of(), soon);
      assertEquals(3, server.sets.get());
    }
  }

  @Test
  void aCancelledContextEndsACall() throws Exception {
    FaultyServer.OnSet onSet = (number, request) -> {
      throw SILENCE;
    };
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, FAST)) {
      Context.CancellableContext context = Context.current().withCancellation();
      context.cancel(null);
      context.run(() -> Live.fails("CANCELLED", () -> client.set("a", Map.of())));
    }
  }

  @Test
  void deadlineOfOneCall() throws Exception {
    FaultyServer.OnSet onSet = (number, request) -> {
      throw SILENCE;
    };
    SetOptions soon = SetOptions.builder().deadline(Duration.ofMillis(50)).build();
    try (FaultyServer server = new FaultyServer(onSet); ChordClient client = connect(server, RetryPolicy.DEFAULT)) {
      Live.fails("DEADLINE_EXCEEDED", () -> client.set("a", Map.of(), soon));
    }
  }

  @Test
  void interruptAndCloseEndACall() throws Exception {
    for (boolean byClose : new boolean[] {true, false}) {
      CountDownLatch begun = new CountDownLatch(1);
      FaultyServer.OnSet onSet = (number, request) -> {
        begun.countDown();
        throw SILENCE;
      };
      try (FaultyServer server = new FaultyServer(onSet);
          ChordClient client = connect(server, RetryPolicy.DEFAULT)) {
        CompletableFuture<String> ended = new CompletableFuture<>();
        Thread caller = new Thread(() -> {
          try {
            client.set("a", Map.of());
          } catch (ChordException e) {
            ended.complete(e.reason());
          }
        });
        caller.start();
        begun.await();
        if (byClose) client.close();
        else caller.interrupt();
        assertEquals("CANCELLED", ended.get());
        assertEquals(1, server.sets.get());
      }
    }
  }

  private static long versionOf(Watch watch) {
    return Live.expect(WatchEvent.Full.class, watch).document().position().version();
  }

  @Test
  void watchAfterAGap() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      boolean known = request.getSubscriptions(0).containsKnown("a");
      if (number == 1) {
        stream.onNext(full("a", 1));
        stream.onNext(delta("a", 2, 3)); // version 2 was never sent
      } else if (!known) {
        stream.onNext(full("a", 3));
      }
    };
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      Watch watch = client.watch(Target.id("a"));
      assertEquals(List.of(1L, 3L), List.of(versionOf(watch), versionOf(watch)));
      assertEquals(2, server.watches.get());
    }
  }

  /** Failures count in a row: a stream that brings something each time before it breaks may break for ever. */
  @Test
  void watchResumesByPositionHoweverOftenItBreaks() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      long known = request.getSubscriptions(0).getKnownOrDefault("a", FaultyServer.position(0)).getVersion();
      stream.onNext(full("a", known + 1));
      if (number % 2 == 0) stream.onCompleted();
      else stream.onError(Status.INTERNAL.asRuntimeException());
    };
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      Watch watch = client.watch(Target.prefix(""));
      for (long version = 1; version <= 15; version++) assertEquals(version, versionOf(watch));
    }
  }

  @Test
  void watchWaitsAsClosingAsks() throws Exception {
    Duration asked = Duration.ofMillis(120);
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      if (number == 1) {
        Closing closing = Closing.newBuilder().setRetryAfter(Conversion.toDuration(asked)).build();
        stream.onNext(WatchContextsResponse.newBuilder().setClosing(closing).build());
        stream.onError(Status.UNAVAILABLE.asRuntimeException());
      } else {
        stream.onNext(full("a", 1));
      }
    };
    List<Duration> delays = new ArrayList<>();
    WatchOptions options = WatchOptions.builder().onDisconnect((error, delay) -> delays.add(delay)).build();
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      assertEquals(1, versionOf(client.watch(List.of(Target.id("a")), options)));
      assertEquals(List.of(asked), delays);
    }
  }

  @ParameterizedTest
  @CsvSource({"INTERNAL, 6", "PERMISSION_DENIED, 1"})
  void watchGivesUp(Status.Code code, int tries) throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> stream.onError(code.toStatus().asRuntimeException());
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      Watch watch = client.watch(Target.id("a"));
      Live.fails(code.name(), watch::hasNext);
      assertEquals(tries, server.watches.get());
      assertFalse(watch.hasNext());
    }
  }

  /** A replica that went on would show a document that is no longer current. */
  @Test
  void anEventThatCannotBeReadEndsAWatch() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      WatchContextsResponse event = full("a", 1);
      Timestamp never = Timestamp.newBuilder().setSeconds(Long.MAX_VALUE).build();
      dev.chord.v1.Context context = event.getFull().getContext().toBuilder().setUpdatedAt(never).build();
      stream.onNext(event.toBuilder().setFull(event.getFull().toBuilder().setContext(context)).build());
    };
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      Watch watch = client.watch(Target.id("a"));
      Live.fails("INTERNAL", watch::hasNext);
      assertFalse(watch.hasNext());
      CompletableFuture<Throwable> failed = new CompletableFuture<>();
      ReplicaListener listener = new ReplicaListener() {
        @Override
        public void changed(ReplicaChange change) {}

        @Override
        public void failed(Throwable error) {
          failed.complete(error);
        }
      };
      try (Replica replica = Replica.open(client, List.of(Target.id("a")), listener)) {
        Live.fails("INTERNAL", () -> replica.awaitReady(Live.PATIENCE));
        assertEquals("INTERNAL", ((ChordException) failed.get()).reason());
      }
    }
  }

  @Test
  void watchNeverGivesUpOnAServerThatIsAway() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      if (number > 30) stream.onNext(full("a", 1));
      else stream.onError(Status.UNAVAILABLE.asRuntimeException());
    };
    try (FaultyServer server = new FaultyServer(onWatch); ChordClient client = connect(server, FAST)) {
      assertEquals(1, versionOf(client.watch(Target.id("a"))));
    }
  }

  /** A token may change, be missing for a while, and expire under a stream that is open. */
  @Test
  void tokenThatChanges() throws Exception {
    FaultyServer.OnWatch onWatch = (number, request, stream) -> {
      if (number == 1) stream.onNext(full("a", 1));
      stream.onError(Status.UNAUTHENTICATED.asRuntimeException());
    };
    AtomicInteger asked = new AtomicInteger();
    Supplier<String> token = () -> {
      int number = asked.incrementAndGet();
      if (number == 2) throw new IllegalStateException("asleep");
      return String.valueOf(number);
    };
    try (FaultyServer server = new FaultyServer((number, request) -> {}, onWatch, InsecureServerCredentials.create());
        ChordClient client = ChordClient.connect(
            server.address(), ClientOptions.builder().token(token).retry(FAST).build())) {
      client.set("a", Map.of());
      client.set("a", Map.of());
      Watch watch = client.watch(Target.id("a"));
      assertEquals(1, versionOf(watch));
      Live.fails("UNAUTHENTICATED", watch::next);
      assertEquals(List.of("Bearer 1", "Bearer 3", "Bearer 4", "Bearer 5", "Bearer 6"), server.authorizations);
    }
  }

  @Test
  void tlsAndToken(@TempDir Path folder) throws Exception {
    Path certificate = folder.resolve("certificate.pem");
    Path key = folder.resolve("key.pem");
    selfSigned("chord.test", certificate, key, folder.resolve("store"));
    TlsServerCredentials.Builder credentials = TlsServerCredentials.newBuilder()
        .keyManager(certificate.toFile(), key.toFile())
        .trustManager(certificate.toFile())
        .clientAuth(TlsServerCredentials.ClientAuth.REQUIRE);
    Tls trusting = Tls.SYSTEM.withRoots(certificate).withServerName("chord.test");
    RetryPolicy once = RetryPolicy.DEFAULT.withAttempts(1).withAttemptTimeout(Duration.ofMinutes(1));
    try (FaultyServer server =
        new FaultyServer((number, request) -> {}, (number, request, stream) -> {}, credentials.build())) {
      ClientOptions.Builder options =
          ClientOptions.builder().token("secret").retry(once).deadline(Duration.ofMinutes(1));
      try (ChordClient client =
          ChordClient.connect(server.address(), options.tls(trusting.withIdentity(certificate, key)).build())) {
        client.set("a", Map.of());
      }
      assertEquals(List.of("Bearer secret"), server.authorizations);
      for (Tls wrong : new Tls[] {null, trusting, Tls.SYSTEM, trusting.withServerName("other.test")}) {
        try (ChordClient client = ChordClient.connect(server.address(), options.tls(wrong).build())) {
          Live.fails("UNAVAILABLE", () -> client.set("a", Map.of()));
        }
      }
      assertEquals(1, server.sets.get());
    }
  }

  private static void selfSigned(String name, Path certificate, Path key, Path store) throws Exception {
    String password = "changeit";
    new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "keytool").toString(), "-genkeypair", "-alias", "a",
            "-keyalg", "EC", "-dname", "CN=" + name, "-ext", "san=dns:" + name, "-ext", "bc=ca:true",
            "-storetype", "PKCS12", "-keystore", store.toString(), "-storepass", password)
        .redirectErrorStream(true).redirectOutput(store.resolveSibling("log").toFile()).start().waitFor();
    KeyStore keys = KeyStore.getInstance(store.toFile(), password.toCharArray());
    pem(certificate, "CERTIFICATE", keys.getCertificate("a").getEncoded());
    pem(key, "PRIVATE KEY", keys.getKey("a", password.toCharArray()).getEncoded());
  }

  private static void pem(Path file, String title, byte[] bytes) throws Exception {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(bytes);
    Files.writeString(file, "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(title, text, title));
  }
}
