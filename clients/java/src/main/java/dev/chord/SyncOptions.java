package dev.chord;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#sync(String, Position, SyncOptions)}. */
public final class SyncOptions {
  static final SyncOptions NONE = builder().build();

  final boolean includeOldValues;
  final String format;
  final List<dev.chord.v1.Path> paths;
  final @Nullable Duration deadline;

  private SyncOptions(Builder builder) {
    includeOldValues = builder.includeOldValues;
    format = builder.format;
    paths = builder.paths;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a sync. */
  public static final class Builder {
    private boolean includeOldValues;
    private String format = "";
    private List<dev.chord.v1.Path> paths = List.of();
    private @Nullable Duration deadline;

    private Builder() {}

    /** Old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      return this;
    }

    /**
     * The format of deltas: {@code flat}, {@code json_patch}, {@code merge_patch} or the name of one of the server's own. They come
     * in {@link Delta#formatted}, and {@link Delta#changes} is empty.
     */
    public Builder format(String format) {
      this.format = Values.text("format", format);
      return this;
    }

    /**
     * Only these parts of the document. With a known position, those that the copy was made with: no delta has what was left out.
     */
    public Builder paths(List<List<String>> paths) {
      this.paths = Conditions.toPaths("paths", paths);
      return this;
    }

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public SyncOptions build() {
      return new SyncOptions(this);
    }
  }
}
