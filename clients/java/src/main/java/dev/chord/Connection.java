package dev.chord;

import dev.chord.v1.WaitContextRequest;
import dev.chord.v1.WaitContextResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What all calls, watches and replicas of a client share: channels, token, retries, a bound on calls. */
final class Connection implements AutoCloseable {
  final RetryPolicy retry;
  final Channels channels;
  final Gate gate;

  /** Of every call. */
  final CallOptions plain;

  /** Whether a new token may be had for one that was refused. */
  final boolean renewsToken;

  /** Of one call with all its tries. */
  final Duration deadline;

  /** Null: see {@link ClientOptions.Builder#logger}. */
  private final System.@Nullable Logger logger;

  /** What ends with the client, whatever the headers it was begun with. */
  private final Lifetime lifetime;

  private static final class Lifetime {
    final Set<CompletableFuture<?>> calls = ConcurrentHashMap.newKeySet();
    volatile boolean closed;
  }

  Connection(String address, ClientOptions options) {
    retry = options.retry;
    deadline = options.deadline;
    // What may be refused comes before what has to be closed.
    CallOptions calls = Headers.with(CallOptions.DEFAULT, options.metadata);
    plain = options.token == null ? calls : calls.withCallCredentials(new Bearer(options.token));
    channels = new Channels(() -> Channels.open(address, options), options.watchesPerConnection);
    gate = new Gate(options.callsInFlight);
    renewsToken = options.token != null && options.renewsToken;
    logger = options.logger;
    lifetime = new Lifetime();
  }

  private Connection(Connection other, CallOptions plain) {
    retry = other.retry;
    deadline = other.deadline;
    channels = other.channels;
    gate = other.gate;
    this.plain = plain;
    renewsToken = other.renewsToken;
    logger = other.logger;
    lifetime = other.lifetime;
  }

  /** The same one with further headers for its calls. */
  Connection with(Map<String, String> headers) {
    return new Connection(this, Headers.with(plain, headers));
  }

  void warn(String message, Throwable error) {
    if (logger != null) logger.log(System.Logger.Level.WARNING, message, error);
  }

  void error(String message, Throwable error) {
    System.Logger log = logger != null ? logger : System.getLogger(ChordClient.class.getName());
    log.log(System.Logger.Level.ERROR, message, error);
  }

  /**
   * Tries until success, a final error, or the end of attempts or time; fails with {@link ChordException}.
   *
   * @param deadline in place of the client's; may be null
   */
  <Q, A> CompletableFuture<A> start(MethodDescriptor<Q, A> method, Q request, @Nullable Duration deadline) {
    return start(method, request, deadline, retry);
  }

  <Q, A> CompletableFuture<A> start(
      MethodDescriptor<Q, A> method, Q request, @Nullable Duration deadline, RetryPolicy policy) {
    Call<Q, A> call = prepare(method, request, Time.nanos(deadline != null ? deadline : this.deadline), policy);
    call.attempt();
    return call.answer;
  }

  /** A call that begins with {@link Call#attempt}. */
  <Q, A> Call<Q, A> prepare(MethodDescriptor<Q, A> method, Q request, long nanos, RetryPolicy policy) {
    Call<Q, A> call = new Call<>(this, method, request, nanos, policy);
    endWithClient(call.answer);
    return call;
  }

  /** It fails when the client is closed, if it has not ended then. */
  void endWithClient(CompletableFuture<?> answer) {
    lifetime.calls.add(answer);
    answer.whenComplete((done, error) -> lifetime.calls.remove(answer));
    if (lifetime.closed) answer.completeExceptionally(closedError());
  }

  /**
   * Tries until success, a final error, or the end of its time; fails with {@link ChordException}.
   *
   * @param timeout null: there is no end
   */
  CompletableFuture<WaitContextResponse> wait(WaitContextRequest request, @Nullable Duration timeout) {
    if (lifetime.closed) return CompletableFuture.failedFuture(closedError());
    WaitCall call = new WaitCall(this, request, timeout != null ? Time.nanos(timeout) : Time.FOREVER);
    endWithClient(call.answer);
    call.attempt();
    return call.answer;
  }

  /** As {@code start}, and waits for the answer. */
  <Q, A> A call(MethodDescriptor<Q, A> method, Q request, @Nullable Duration deadline) {
    return await(() -> start(method, request, deadline));
  }

  /** Starts a call, and waits for its answer. Where an interrupt came before, nothing is sent. */
  static <T extends @Nullable Object> T await(Supplier<CompletableFuture<T>> start) {
    refuseInterrupted("the call");
    return await(start.get());
  }

  /** So that it does not depend on time what comes of an interrupt: what is done, or there, would not look for it. */
  static void refuseInterrupted(String what) {
    if (Thread.currentThread().isInterrupted()) throw Errors.cancelled("interrupted before " + what, null);
  }

  /** @throws ChordException as the call fails; an interrupt cancels it */
  static <T extends @Nullable Object> T await(CompletableFuture<T> answer) {
    try {
      if (Thread.interrupted()) throw new InterruptedException(); // `get` looks only where it has to wait
      return answer.get();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Error error) throw error;
      if (!(e.getCause() instanceof ChordException error)) throw (RuntimeException) e.getCause(); // of a predicate
      error.fillInStackTrace(); // that of the caller, and not of gRPC's thread
      throw error;
    } catch (InterruptedException e) {
      answer.cancel(true);
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting for an answer", e);
    }
  }

  /** Of a watch, on its channel. What is started here does not send a deadline that no timer holds. */
  <Q, A> ClientCall<Q, A> newStream(ManagedChannel channel, MethodDescriptor<Q, A> method) {
    return channel.newCall(method, plain);
  }

  /** To start a stream in: a deadline that no timer holds is the caller's own business. */
  static Context contextOfStream() {
    Context context = Context.current();
    Deadline deadline = context.getDeadline();
    boolean far = deadline != null && deadline.timeRemaining(TimeUnit.NANOSECONDS) > Time.TIMEOUT_MAX;
    return far ? context.fork() : context;
  }

  /** What a call ended with, as the caller shall see it. Final where the caller ended it. */
  ChordException failure(Status status, @Nullable Metadata trailers, Context context) {
    if (lifetime.closed) return closedError();
    ChordException error = Errors.decode(status, trailers);
    return error.isTransient() && context.isCancelled() ? Errors.cancelled(error.getMessage(), error) : error;
  }

  /** Makes the next call connect anew: the channel itself would wait longer, and fail calls until then. */
  static void reconnect(ManagedChannel channel) {
    if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) channel.enterIdle();
  }

  /** Runs this once, when the server can be reached again; never where it can be now. */
  void whenReachable(Runnable run) {
    ManagedChannel channel = channels.forCalls();
    ConnectivityState state = channel.getState(false);
    if (state == ConnectivityState.READY || state == ConnectivityState.SHUTDOWN) return;
    channel.notifyWhenStateChanged(state, () -> {
      if (channel.getState(false) == ConnectivityState.READY) run.run();
      else whenReachable(run);
    });
  }

  boolean isClosed() {
    return lifetime.closed;
  }

  static ChordException closedError() {
    return Errors.cancelled("the client is closed", null);
  }

  /** From now on, all fails because of this. */
  void closing() {
    lifetime.closed = true;
  }

  @Override
  public void close() {
    lifetime.closed = true;
    channels.close();
    lifetime.calls.forEach(answer -> answer.completeExceptionally(closedError()));
  }
}
