package dev.chord;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#batch(java.util.List, BatchOptions)}. All others are those of its writes: see {@link Write}. */
public final class BatchOptions {
  static final BatchOptions NONE = builder().build();

  final @Nullable String requestId;
  final @Nullable Duration deadline;

  private BatchOptions(Builder builder) {
    requestId = builder.requestId;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a batch. */
  public static final class Builder {
    private @Nullable String requestId;
    private @Nullable Duration deadline;

    private Builder() {}

    /** Names this batch: a repeat answers what the first one did. Default: a random name, for the tries of one call. */
    public Builder requestId(String requestId) {
      this.requestId = WriteOptions.checkedName(requestId);
      return this;
    }

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public BatchOptions build() {
      return new BatchOptions(this);
    }
  }
}
