package dev.chord;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#deltas(String, long, DeltasOptions)}. */
public final class DeltasOptions {
  static final DeltasOptions NONE = builder().build();

  final boolean includeOldValues;
  final String format;
  final int pageSize;
  final @Nullable Duration deadline;

  private DeltasOptions(Builder builder) {
    includeOldValues = builder.includeOldValues;
    format = builder.format;
    pageSize = builder.pageSize;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a read of the history. */
  public static final class Builder {
    private boolean includeOldValues;
    private String format = "";
    private int pageSize;
    private @Nullable Duration deadline;

    private Builder() {}

    /** Old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      return this;
    }

    /** As {@link SyncOptions.Builder#format}. */
    public Builder format(String format) {
      this.format = Values.text("format", format);
      return this;
    }

    /** Deltas of a page, 1 to 1000. Default: 100. */
    public Builder pageSize(int pageSize) {
      this.pageSize = pageSize;
      return this;
    }

    /** For each page, in place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public DeltasOptions build() {
      return new DeltasOptions(this);
    }
  }
}
