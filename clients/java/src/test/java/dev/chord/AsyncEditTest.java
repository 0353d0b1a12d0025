package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** What an edit without a waiting thread does otherwise; what both do is in {@link EditTest}. */
class AsyncEditTest extends Live {
  private static final Context.Key<String> CALLER = Context.key("caller");
  private static final RetryPolicy SOON =
      RetryPolicy.DEFAULT.withBackoff(Duration.ofMillis(1), Duration.ofMillis(10));

  /** Answers, in the time of a test, what it fails with. */
  private static Throwable failure(CompletableFuture<?> future) {
    return assertThrows(ExecutionException.class, () -> future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS)).getCause();
  }

  private static String reason(CompletableFuture<?> future) {
    return assertInstanceOf(ChordException.class, failure(future)).reason();
  }

  private static void increment(Map<String, Object> document) {
    document.merge("n", 1.0, (n, one) -> (Double) n + (Double) one);
  }

  /** Increments n after another client has. */
  private Consumer<Map<String, Object>> afterAnother(String id) {
    return document -> {
      client.update(id, Edit.of(Mutation.increment(List.of("n"), 10)));
      increment(document);
    };
  }

  @Test
  void editsAtOnceAreBothCounted() throws Exception {
    String id = id("a");
    client.set(id, Map.of("n", 0));
    ExecutorService threads = Executors.newCachedThreadPool(run -> new Thread(run, "of the channel"));
    ClientOptions options = ClientOptions.builder().channel(channel -> channel.executor(threads)).retry(SOON).build();
    List<String> ran = Collections.synchronizedList(new ArrayList<>());
    CountDownLatch bothHaveRead = new CountDownLatch(2);
    Consumer<Map<String, Object>> change = document -> {
      ran.add(Thread.currentThread().getName() + " for " + CALLER.get());
      bothHaveRead.countDown();
      await(bothHaveRead);
      increment(document);
    };
    try (ChordClient busy = ChordClient.connect(TestServer.shared().address, options)) {
      List<CompletableFuture<WriteResult>> edits = new ArrayList<>();
      Context.current().withValue(CALLER, "me").run(() -> {
        for (int i = 0; i < 2; i++) edits.add(busy.async().edit(id, change));
      });
      for (CompletableFuture<WriteResult> each : edits) assertEquals(true, each.get().changed());
    }
    threads.shutdown();
    assertEquals(Map.of("n", 2.0), client.get(id).value());
    // The one that lost began again, in the caller's context.
    assertEquals(Collections.nCopies(3, "of the channel for me"), ran);
  }

  private static void await(CountDownLatch isDown) {
    try {
      assertEquals(true, isDown.await(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void optionsAndErrorsAreThoseOfTheOther() throws Exception {
    String id = id("a");
    EditOptions options = EditOptions.builder().allowMissing().returnDocument().build();
    assertEquals("NOT_FOUND", reason(client.async().edit(id, AsyncEditTest::increment)));
    WriteResult made = client.async().edit(id, AsyncEditTest::increment, options).get();
    assertEquals(Map.of("n", 1.0), made.document().value());
    assertEquals(
        new WriteResult(made.position(), false, null, null), client.async().edit(id, document -> {}).get());

    for (Throwable own : List.of(new IllegalStateException("not today"), new AssertionError("nor ever"))) {
      assertSame(own, failure(client.async().edit(id, document -> {
        increment(document);
        AsyncEditTest.<RuntimeException>sneak(own);
      })));
    }
    ChordException unsendable = assertInstanceOf(
        ChordException.class, failure(client.async().edit(id, document -> document.put("n", Double.NaN))));
    assertEquals("value.n", unsendable.violations().get(0).field());
    fails("INVALID_ARGUMENT", () -> client.async().edit("\ud800", document -> {}));
    assertEquals(made.position(), client.get(id).position());

    assertEquals(
        "ABORTED", reason(client.async().edit(id, afterAnother(id), EditOptions.builder().attempts(2).build())));
    assertEquals(Map.of("n", 21.0), client.get(id).value());
  }

  /** By the blocking edit, too, with its stack trace. Functions of Kotlin may throw checked exceptions. */
  @Test
  void whatTheFunctionThrowsIsPassedOnAsItIs() {
    String id = id("a");
    client.set(id, Map.of());
    for (Exception own : List.of(new Exception("checked"), Errors.unavailable("of a call in the function"))) {
      List<StackTraceElement> made = List.of(own.getStackTrace());
      Consumer<Map<String, Object>> change = document -> AsyncEditTest.<RuntimeException>sneak(own);
      assertSame(own, failure(client.async().edit(id, change)));
      assertSame(own, assertThrows(Exception.class, () -> client.edit(id, change)));
      assertEquals(made, List.of(own.getStackTrace()));
    }
  }

  @SuppressWarnings("unchecked")
  private static <E extends Throwable> void sneak(Throwable error) throws E {
    throw (E) error;
  }

  /** What it does after a conflict is in {@link EditTest}. */
  @Test
  void theDeadlineIsThatOfTheOther() {
    EditOptions none = EditOptions.builder().deadline(Duration.ZERO).build();
    assertEquals("DEADLINE_EXCEEDED", reason(client.async().edit(id("a"), document -> {}, none)));
  }

  /** Tells how each call ended. */
  private static ClientInterceptor ends(BlockingQueue<String> told) {
    return new ClientInterceptor() {
      @Override
      public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
          @Override
          public void start(Listener<A> listener, Metadata headers) {
            super.start(new SimpleForwardingClientCallListener<>(listener) {
              @Override
              public void onClose(Status status, Metadata trailers) {
                super.onClose(status, trailers);
                told.add(method.getBareMethodName() + " " + status.getCode());
              }
            }, headers);
          }
        };
      }
    };
  }

  @Test
  void toCancelEndsIt() throws Exception {
    String id = id("a");
    client.set(id, Map.of("n", 0));
    BlockingQueue<String> ended = new LinkedBlockingQueue<>();
    ExecutorService thread = Executors.newSingleThreadExecutor();
    ClientOptions options = ClientOptions.builder()
        .channel(channel -> channel.executor(thread))
        .interceptors(ends(ended))
        .deadline(Duration.ofHours(2))
        .retry(RetryPolicy.DEFAULT.withBackoff(Duration.ofHours(1), Duration.ofHours(1)))
        .build();
    try (ChordClient one = ChordClient.connect(TestServer.shared().address, options)) {
      // During a call: the function is not called.
      CountDownLatch holds = new CountDownLatch(1);
      thread.execute(() -> await(holds));
      List<Object> seen = new ArrayList<>();
      CompletableFuture<WriteResult> reading = one.async().edit(id, seen::add);
      reading.cancel(true);
      assertThrows(CancellationException.class, reading::join);
      holds.countDown();
      thread.submit(() -> {}).get();
      ended.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      assertEquals(List.of(), seen);

      // While the function runs: what it has changed is not written.
      CompletableFuture<CompletableFuture<WriteResult>> started = new CompletableFuture<>();
      started.complete(one.async().edit(id, document -> {
        increment(document);
        started.join().cancel(true);
      }));
      assertThrows(CancellationException.class, started.join()::join);
      assertEquals("GetContext OK", ended.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS));
      one.get(id);
      assertEquals("GetContext OK", ended.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS), "no update before it");

      // In the pause of an hour after a conflict; the end of the client ends that, too.
      CompletableFuture<WriteResult> cancelled = conflicted(one, id, ended);
      CompletableFuture<WriteResult> closed = conflicted(one, id, ended);
      cancelled.cancel(true);
      assertThrows(CancellationException.class, cancelled::join);
      assertFalse(closed.isDone());
      one.close();
      assertEquals("the client is closed", failure(closed).getMessage());
      assertEquals("CANCELLED", reason(one.async().edit(id, document -> {})));
    }
    thread.shutdown();
    assertEquals(Map.of("n", 20.0), client.get(id).value());
  }

  /** An edit that waits to begin again. */
  private CompletableFuture<WriteResult> conflicted(ChordClient by, String id, BlockingQueue<String> ended)
      throws InterruptedException {
    CompletableFuture<WriteResult> edit = by.async().edit(id, afterAnother(id));
    for (String call : List.of("GetContext OK", "UpdateContext ABORTED")) {
      assertEquals(call, ended.poll(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    }
    return edit;
  }
}
