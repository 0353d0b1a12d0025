package dev.chord;

import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Options of a wait. */
public final class WaitOptions {
  static final WaitOptions NONE = builder().build();

  final @Nullable Position known;
  final boolean includeOldValues;
  final String format;
  final List<dev.chord.v1.Path> paths;
  final @Nullable Duration timeout;

  private WaitOptions(Builder builder) {
    known = builder.known;
    includeOldValues = builder.includeOldValues;
    format = builder.format;
    paths = builder.paths;
    timeout = builder.timeout;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a wait. */
  public static final class Builder {
    private @Nullable Position known;
    private boolean includeOldValues;
    private String format = "";
    private List<dev.chord.v1.Path> paths = List.of();
    private @Nullable Duration timeout;

    private Builder() {}

    /**
     * Where a copy stands: a version after it that met the checks counts too, even where a later one does not. The answer is
     * then what the copy lacks.
     */
    public Builder known(Position known) {
      this.known = known;
      return this;
    }

    /** Send old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      return this;
    }

    /** As {@link SyncOptions.Builder#format}. */
    public Builder format(String format) {
      this.format = Values.text("format", format);
      return this;
    }

    /** As {@link SyncOptions.Builder#paths}. */
    public Builder paths(List<List<String>> paths) {
      this.paths = Conditions.toPaths("paths", paths);
      return this;
    }

    /** After this time it is DEADLINE_EXCEEDED. Default: there is no end. */
    public Builder timeout(Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public WaitOptions build() {
      return new WaitOptions(this);
    }
  }
}
