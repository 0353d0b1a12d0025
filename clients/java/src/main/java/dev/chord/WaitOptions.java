package dev.chord;

import java.time.Duration;
import java.util.List;

/** Options of a wait. */
public final class WaitOptions {
  static final WaitOptions NONE = builder().build();

  final Position known;
  final boolean includeOldValues;
  final String format;
  final List<List<String>> paths;
  final Duration timeout;

  private WaitOptions(Builder builder) {
    known = builder.known;
    includeOldValues = builder.includeOldValues;
    format = builder.format;
    paths = builder.paths;
    timeout = builder.timeout;
  }

  public static Builder builder() {
    return new Builder();
  }

  public static final class Builder {
    private Position known;
    private boolean includeOldValues;
    private String format = "";
    private List<List<String>> paths = List.of();
    private Duration timeout;

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

    /** As {@link ReadOptions.Builder#format}. */
    public Builder format(String format) {
      this.format = format;
      return this;
    }

    /** As {@link ReadOptions.Builder#paths}. */
    public Builder paths(List<List<String>> paths) {
      this.paths = List.copyOf(paths);
      return this;
    }

    /** After this time it is DEADLINE_EXCEEDED. Default: there is no end. */
    public Builder timeout(Duration timeout) {
      this.timeout = timeout;
      return this;
    }

    public WaitOptions build() {
      return new WaitOptions(this);
    }
  }
}
