package dev.chord;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#list(String, ListOptions)}. */
public final class ListOptions {
  static final ListOptions NONE = builder().build();

  final boolean includeValues;
  final int pageSize;
  final @Nullable Duration deadline;

  private ListOptions(Builder builder) {
    includeValues = builder.includeValues;
    pageSize = builder.pageSize;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a list. */
  public static final class Builder {
    private boolean includeValues;
    private int pageSize;
    private @Nullable Duration deadline;

    private Builder() {}

    /** With the documents' values. */
    public Builder includeValues() {
      includeValues = true;
      return this;
    }

    /** Contexts of a page, 1 to 1000. Default: 100. */
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
    public ListOptions build() {
      return new ListOptions(this);
    }
  }
}
