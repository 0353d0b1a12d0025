package dev.chord;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#touch(String, Duration, TouchOptions)}. */
public final class TouchOptions {
  static final TouchOptions NONE = builder().build();

  final @Nullable Duration deadline;

  private TouchOptions(Builder builder) {
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a touch. */
  public static final class Builder {
    private @Nullable Duration deadline;

    private Builder() {}

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public TouchOptions build() {
      return new TouchOptions(this);
    }
  }
}
