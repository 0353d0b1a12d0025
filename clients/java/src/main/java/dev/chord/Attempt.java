package dev.chord;

import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
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

  private Attempt(CompletableFuture<A> answer, Runnable onEnd, Failure onFailure) {
    this.answer = answer;
    this.onEnd = onEnd;
    this.onFailure = onFailure;
  }

  /**
   * Starts the call, and cancels it once there is an answer.
   *
   * @param onEnd runs at each end, before what comes of it
   */
  static <Q, A> void start(
      ClientCall<Q, A> call, Q request, CompletableFuture<A> answer, Runnable onEnd, Failure onFailure) {
    call.start(new Attempt<>(answer, onEnd, onFailure), new Metadata());
    call.sendMessage(request);
    call.halfClose();
    call.request(2); // one answer, and the second that would be too many
    // Only now: nothing may be sent once it is cancelled.
    answer.whenComplete((done, error) -> call.cancel("the caller has gone", null));
  }

  @Override
  public void onMessage(A message) {
    this.message = message;
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    onEnd.run();
    if (!status.isOk()) onFailure.accept(status, trailers);
    else if (message != null) answer.complete(message);
    else answer.completeExceptionally(Errors.unavailable("the server sent no answer"));
  }
}
