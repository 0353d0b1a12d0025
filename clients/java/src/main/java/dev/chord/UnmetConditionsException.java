package dev.chord;

import io.grpc.Status;
import java.io.Serializable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A write was refused, since {@link WriteOptions.Builder#ifUnchanged} or {@link WriteOptions.Builder#ifChecks} does not hold:
 * reason ABORTED. Nothing was written.
 */
public final class UnmetConditionsException extends ChordException {
  private static final long serialVersionUID = 1;

  private final Unmet unmet;

  UnmetConditionsException(
      String reason, String message, Status.Code code, Details details, Unmet unmet, @Nullable Throwable cause) {
    super(reason, message, code, false, details, cause);
    this.unmet = unmet;
  }

  /** What the server told. */
  record Unmet(@Nullable Position current, @Nullable String sinceReason, List<Condition> conditions) implements Serializable {}

  /** A condition that does not hold. */
  public sealed interface Condition extends Serializable {
    /** Object keys from the root. */
    List<String> path();
  }

  /**
   * Another write has changed the guarded path, one above or one below it.
   *
   * @param version the last one that did
   * @param author the identity that wrote it; null: it has none, or the server no longer has it in memory
   */
  public record Touched(List<String> path, long version, @Nullable String author) implements Condition {}

  /** The document does not hold what the check names. */
  public record Failed(Check check) implements Condition {
    @Override
    public List<String> path() {
      return check.path();
    }
  }

  /** Of a kind that this client does not know. */
  public record Unknown(List<String> path) implements Condition {}

  /** Where the context stands; null: it does not exist. */
  public @Nullable Position current() {
    return unmet.current();
  }

  /**
   * Why the position of {@code ifUnchanged} cannot be compared with {@link #current}: {@code EPOCH_CHANGED}, {@code AHEAD},
   * {@code DIVERGED} or {@code HISTORY_TRUNCATED}; null: it can.
   */
  public @Nullable String sinceReason() {
    return unmet.sinceReason();
  }

  /** The first 100 that do not hold. */
  public List<Condition> conditions() {
    return unmet.conditions();
  }
}
