package dev.chord;

import java.time.Duration;

/** Options of {@link ChordClient#update(String, Edit, UpdateOptions)}. */
public final class UpdateOptions extends WriteOptions {
  static final UpdateOptions NONE = builder().build();

  private UpdateOptions(Builder builder) {
    super(builder);
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of an update. */
  public static final class Builder extends WriteOptions.StoringBuilder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** Starts from {} where the context is missing. Else that is NOT_FOUND. */
    public Builder allowMissing() {
      allowMissing = true;
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
    public UpdateOptions build() {
      return new UpdateOptions(this);
    }
  }
}
