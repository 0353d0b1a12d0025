package dev.chord;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** One try of a call with one request and one answer. */
final class Attempt<A> extends ClientCall.Listener<A> {
  /** What ended it, if not the answer. */
  interface Failure {
    void accept(Status status, Metadata trailers);
  }

  private final CompletableFuture<A> answer;
  private final Runnable onEnd;
  private final Failure onFailure;
  private @Nullable A message;
  private boolean ended;

  private Attempt(CompletableFuture<A> answer, Runnable onEnd, Failure onFailure) {
    this.answer = answer;
    this.onEnd = onEnd;
    this.onFailure = onFailure;
  }

  /**
   * Starts the call, and cancels it once there is an answer. What the making or the start of it throws, as an interceptor of the
   * program may, is the answer.
   *
   * @param open makes the call
   * @param onEnd runs once, at the end, before what comes of it
   * @return false: it has not begun, and {@code onEnd} does not run
   */
  static <Q, A> boolean start(
      Supplier<ClientCall<Q, A>> open, Q request, CompletableFuture<A> answer, Runnable onEnd, Failure onFailure) {
    Attempt<A> attempt = new Attempt<>(answer, onEnd, onFailure);
    ClientCall<Q, A> call = null;
    try {
      call = open.get();
      call.start(attempt, new Metadata());
      call.sendMessage(request);
      call.halfClose();
      call.request(2); // one answer, and the second that would be too many
    } catch (RuntimeException | Error e) {
      boolean running = !attempt.end();
      answer.completeExceptionally(Errors.internal("the call could not be started", e));
      if (call != null) call.cancel("it could not be started", e);
      return running;
    }
    // Only now: nothing may be sent once it is cancelled.
    ClientCall<Q, A> started = call;
    answer.whenComplete((done, error) -> started.cancel("the caller has gone", null));
    return true;
  }

  /** False: it had ended before. */
  private synchronized boolean end() {
    boolean first = !ended;
    ended = true;
    return first;
  }

  @Override
  public void onMessage(A message) {
    this.message = message;
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    if (end()) onEnd.run();
    if (!status.isOk()) onFailure.accept(status, trailers);
    else if (message != null) answer.complete(message);
    else answer.completeExceptionally(Errors.unavailable("the server sent no answer"));
  }
}
