package dev.chord;

import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.WaitContextRequest;
import dev.chord.v1.WaitContextResponse;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * One wait with all its tries. No thread waits for it. It lasts as a watch does: it takes the place of one on its connection,
 * and none of the calls in flight.
 */
final class WaitCall {
  /** Errors other than UNAVAILABLE may be the network's, or be there to stay. */
  private static final int DOUBTFUL_FAILURES_MAX = 5;

  /** Fails with {@link ChordException}. To cancel it ends the call. */
  final CompletableFuture<WaitContextResponse> answer = new CompletableFuture<>();

  private final Connection connection;
  private final WaitContextRequest request;
  private final Channels.Lease lease;

  /** By System.nanoTime. */
  private final long end;

  private final Context context = Connection.contextOfStream();
  private long begun;

  /** In a row: of all kinds, and those that may be there to stay. */
  private int failures;
  private int doubtful;

  /** Whether a token was refused since. */
  private boolean refused;

  WaitCall(Connection connection, WaitContextRequest request, long nanos) {
    this.connection = connection;
    this.request = request;
    end = System.nanoTime() + nanos;
    lease = connection.channels.forWatch();
    answer.whenComplete((done, error) -> lease.release());
  }

  void attempt() {
    if (answer.isDone()) return;
    begun = System.nanoTime();
    CallOptions options =
        connection.plain.withDeadlineAfter(Math.min(left(), Time.TIMEOUT_MAX), TimeUnit.NANOSECONDS);
    if (failures > 0) Connection.reconnect(lease.channel);
    context.run(() -> Attempt.start(
        () -> lease.channel.newCall(SyncServiceGrpc.getWaitContextMethod(), options),
        request,
        answer,
        () -> {},
        this::failed));
  }

  private void failed(Status status, Metadata trailers) {
    if (answer.isDone()) return;
    ChordException error = connection.failure(status, trailers, context);
    // A connection that lived was healthy, and its token good.
    if (System.nanoTime() - begun >= Time.nanos(connection.retry.backoffMax())) {
      failures = doubtful = 0;
      refused = false;
    }
    boolean again = goesOn(error);
    long asked = error.retryAfter() != null ? Time.nanos(error.retryAfter()) : 0;
    long wait = Math.max(asked, Time.nanos(connection.retry.backoff(failures++)));
    if (!again || context.isCancelled() || wait >= left()) {
      answer.completeExceptionally(error);
      return;
    }
    AtomicBoolean over = new AtomicBoolean();
    Runnable next = () -> {
      if (!over.getAndSet(true)) attempt();
    };
    Time.after(wait, next);
    // Over early where the server can be reached again.
    Time.after(asked, () -> connection.whenReachable(next));
  }

  private boolean goesOn(ChordException error) {
    // Of this try alone: servers end a wait after an hour.
    if (Errors.isOutage(error) || error.code() == Status.Code.DEADLINE_EXCEEDED) return true;
    if (error.code() == Status.Code.UNAUTHENTICATED) {
      boolean first = !refused;
      refused = true;
      return first && connection.renewsToken;
    }
    doubtful++;
    return error.isTransient() && doubtful <= DOUBTFUL_FAILURES_MAX;
  }

  private long left() {
    return end - System.nanoTime();
  }
}
