package dev.chord;

import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One call with all its tries. No thread waits for it. */
final class Call<Q, A> {
  /** Fails with {@link ChordException}. To cancel it ends the call. */
  final CompletableFuture<A> answer = new CompletableFuture<>();

  private final Connection connection;
  private final RetryPolicy policy;
  private final MethodDescriptor<Q, A> method;
  private final Q request;

  /** By System.nanoTime. */
  private final long end;

  private final Context context = Context.current();
  private int failures;

  /** The first failure that was no cut by time. */
  private @Nullable ChordException cause;

  /** Whether the deadline and the context end the wait at the gate. */
  private boolean bounded;

  Call(Connection connection, MethodDescriptor<Q, A> method, Q request, long nanos, RetryPolicy policy) {
    this.connection = connection;
    this.policy = policy;
    this.method = method;
    this.request = request;
    end = System.nanoTime() + nanos;
  }

  /** Waits at the gate, which takes from the deadline, but not from the time of a try. */
  void attempt() {
    if (answer.isDone()) return;
    boolean[] entered = new boolean[1];
    connection.gate.enter(() -> {
      entered[0] = true;
      return enter();
    });
    if (entered[0] || bounded) return;
    bounded = true;
    CompletableFuture<?> timer = Time.after(left(), () -> answer.completeExceptionally(
        cause != null ? cause : Errors.deadlineExceeded("no answer in time to the calls before this one")));
    Context.CancellationListener cancelled = ended ->
        answer.completeExceptionally(connection.failure(Contexts.statusFromCancelled(ended), null, ended));
    context.addListener(cancelled, Runnable::run);
    answer.whenComplete((message, error) -> {
      timer.cancel(false);
      context.removeListener(cancelled);
    });
  }

  /** False: the answer is there already, and no try has begun. */
  private boolean enter() {
    if (answer.isDone()) return false;
    long timeout = Math.min(Math.min(left(), Time.nanos(policy.attemptTimeout())), Time.TIMEOUT_MAX);
    CallOptions options = connection.plain.withDeadlineAfter(timeout, TimeUnit.NANOSECONDS);
    ManagedChannel channel = connection.channels.forCalls();
    if (failures > 0) Connection.reconnect(channel);
    Context before = context.attach();
    try {
      return Attempt.start(
          () -> channel.newCall(method, options), request, answer, connection.gate::leave, this::failed);
    } finally {
      context.detach(before);
    }
  }

  private void failed(Status status, Metadata trailers) {
    if (answer.isDone()) return;
    ChordException error = connection.failure(status, trailers, context);
    // Never more than half of what is left: a long backoff must not end a call early.
    long left = left();
    Duration backoff = Time.min(policy.backoff(failures++), Duration.ofNanos(Math.max(0, left / 2)));
    long wait = Time.nanos(Time.max(backoff, error.retryAfter()));
    boolean cutOff = error.code() == Status.Code.DEADLINE_EXCEEDED;
    boolean again = (error.isTransient() || cutOff) && !context.isCancelled();
    if (!again || failures >= policy.attempts() || wait >= left) {
      answer.completeExceptionally(cutOff && cause != null ? cause : error);
      return;
    }
    if (!cutOff && cause == null) cause = error;
    Time.after(wait, this::attempt);
  }

  private long left() {
    return end - System.nanoTime();
  }
}
