package dev.chord;

import java.time.Duration;

/** Options of {@link ChordClient#set(String, java.util.Map, SetOptions)}. */
public final class SetOptions extends WriteOptions {
  static final SetOptions NONE = builder().build();

  private SetOptions(Builder builder) {
    super(builder);
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a set. */
  public static final class Builder extends WriteOptions.StoringBuilder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** Names this write: a repeat answers what the first one did. Default: a random name, for the tries of one call. */
    public Builder requestId(String requestId) {
      this.requestId = checkedName(requestId);
      return this;
    }

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public SetOptions build() {
      return new SetOptions(this);
    }
  }
}
