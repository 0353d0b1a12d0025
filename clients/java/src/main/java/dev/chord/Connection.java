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
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

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
  private final Set<CompletableFuture<?>> calls = ConcurrentHashMap.newKeySet();
  private volatile boolean closed;

  Connection(String address, ClientOptions options) {
    retry = options.retry;
    deadline = options.deadline;
    channels = new Channels(() -> Channels.open(address, options.tls), options.watchesPerConnection);
    gate = new Gate(options.callsInFlight);
    plain = options.token == null ? CallOptions.DEFAULT : CallOptions.DEFAULT.withCallCredentials(new Bearer(options.token));
    renewsToken = options.token != null && options.renewsToken;
  }

  /**
   * Tries until success, a final error, or the end of attempts or time; fails with {@link ChordException}.
   *
   * @param deadline in place of the client's; may be null
   */
  <Q, A> CompletableFuture<A> start(MethodDescriptor<Q, A> method, Q request, Duration deadline) {
    return start(method, request, deadline, retry);
  }

  <Q, A> CompletableFuture<A> start(
      MethodDescriptor<Q, A> method, Q request, Duration deadline, RetryPolicy policy) {
    long nanos = Time.nanos(deadline != null ? deadline : this.deadline);
    Call<Q, A> call = new Call<>(this, method, request, nanos, policy);
    calls.add(call.answer);
    call.answer.whenComplete((answer, error) -> calls.remove(call.answer));
    if (closed) call.answer.completeExceptionally(closedError());
    else call.attempt();
    return call.answer;
  }

  /**
   * Tries until success, a final error, or the end of its time; fails with {@link ChordException}.
   *
   * @param timeout null: there is no end
   */
  CompletableFuture<WaitContextResponse> wait(WaitContextRequest request, Duration timeout) {
    if (closed) return CompletableFuture.failedFuture(closedError());
    WaitCall call = new WaitCall(this, request, timeout != null ? Time.nanos(timeout) : Time.FOREVER);
    calls.add(call.answer);
    call.answer.whenComplete((answer, error) -> calls.remove(call.answer));
    if (closed) call.answer.completeExceptionally(closedError());
    else call.attempt();
    return call.answer;
  }

  /** As {@code start}, and waits for the answer. */
  <Q, A> A call(MethodDescriptor<Q, A> method, Q request, Duration deadline) {
    return await(start(method, request, deadline));
  }

  /** @throws ChordException as the call fails; an interrupt cancels it */
  static <T> T await(CompletableFuture<T> answer) {
    try {
      return answer.get();
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof ChordException error)) throw new IllegalStateException(e.getCause());
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
  ChordException failure(Status status, Metadata trailers, Context context) {
    if (closed) return closedError();
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
    return closed;
  }

  static ChordException closedError() {
    return Errors.cancelled("the client is closed", null);
  }

  /** From now on, all fails because of this. */
  void closing() {
    closed = true;
  }

  @Override
  public void close() {
    closed = true;
    channels.close();
    calls.forEach(answer -> answer.completeExceptionally(closedError()));
  }
}
