package dev.chord;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#blame(String, BlameOptions)}. */
public final class BlameOptions {
  static final BlameOptions NONE = builder().build();

  final List<dev.chord.v1.Path> paths;
  final int pageSize;
  final @Nullable Duration deadline;

  private BlameOptions(Builder builder) {
    paths = builder.paths;
    pageSize = builder.pageSize;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a blame. */
  public static final class Builder {
    private List<dev.chord.v1.Path> paths = List.of();
    private int pageSize;
    private @Nullable Duration deadline;

    private Builder() {}

    /** Only what lies at or below one of these. Default: the whole document. */
    public Builder paths(List<List<String>> paths) {
      this.paths = Conditions.toPaths("paths", paths);
      return this;
    }

    /** Lines of a page, 1 to 1000. Default: 100. */
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
    public BlameOptions build() {
      return new BlameOptions(this);
    }
  }
}
