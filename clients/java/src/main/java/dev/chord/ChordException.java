package dev.chord;

import io.grpc.Status;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What all calls, watches and replicas fail with; a write whose conditions do not hold with {@link UnmetConditionsException}. */
public sealed class ChordException extends RuntimeException permits UnmetConditionsException {
  private static final long serialVersionUID = 1;

  private final String reason;
  private final Status.Code code;
  private final boolean isTransient;
  private final Details details;

  ChordException(
      String reason, String message, Status.Code code, boolean isTransient, Details details, @Nullable Throwable cause) {
    super(message, cause);
    this.reason = reason;
    this.code = code;
    this.isTransient = isTransient;
    this.details = details;
  }

  /** What the server told beside code and message. */
  record Details(
      @Nullable String contextId,
      @Nullable Mismatch mismatch,
      List<Violation> violations,
      @Nullable Duration retryAfter)
      implements Serializable {
    static final Details NONE = new Details(null, null, List.of(), null);
  }

  /**
   * A write expected the context elsewhere.
   *
   * @param current where it stands; null: it does not exist
   */
  public record Mismatch(@Nullable Position current) implements Serializable {}

  /**
   * What is wrong with one field of a request.
   *
   * @param field its path, as in the .proto
   */
  public record Violation(String field, String description) implements Serializable {}

  /**
   * {@code NOT_FOUND}, {@code ABORTED}, {@code INVALID_ARGUMENT}, ... as the server says; without its word, the name
   * of gRPC's code.
   */
  public String reason() {
    return reason;
  }

  /** gRPC's. */
  public Status.Code code() {
    return code;
  }

  /** Null where the error names none. */
  public @Nullable String contextId() {
    return details.contextId();
  }

  /** Null but where a write expected the context elsewhere. */
  public @Nullable Mismatch mismatch() {
    return details.mismatch();
  }

  /** Empty where the server names none. */
  public List<Violation> violations() {
    return details.violations();
  }

  /** How long the server asks to wait before another try; null: it does not say. */
  public @Nullable Duration retryAfter() {
    return details.retryAfter();
  }

  /** Another try may succeed, and the caller need not know. */
  boolean isTransient() {
    return isTransient;
  }

  /** Never null. */
  @Override
  public String getMessage() {
    return Objects.requireNonNullElse(super.getMessage(), "");
  }

  @Override
  public String toString() {
    return getClass().getName() + ": " + reason + ": " + getMessage();
  }
}
