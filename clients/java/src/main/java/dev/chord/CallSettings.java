package dev.chord;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** How {@link ChordClient#call(io.grpc.MethodDescriptor, Object, CallSettings)} calls. */
public final class CallSettings {
  static final CallSettings NONE = builder().build();

  /** Null: the client's. */
  final @Nullable Duration deadline;

  private final boolean repeatable;

  private CallSettings(Builder builder) {
    deadline = builder.deadline;
    repeatable = builder.repeatable;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** One try has all the time of its call. */
  RetryPolicy policy(RetryPolicy ofClient) {
    return repeatable ? ofClient : ofClient.withAttempts(1).withAttemptTimeout(Duration.ofNanos(Time.TIMEOUT_MAX));
  }

  /** Collects settings of calls. */
  public static final class Builder {
    private @Nullable Duration deadline;
    private boolean repeatable;

    private Builder() {}

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /**
     * Another try does no harm, as of reads, and of writes with a request id: it is tried again as the client's own calls are.
     * Default: one try.
     */
    public Builder repeatable() {
      repeatable = true;
      return this;
    }

    /** The settings as they are now; the builder may go on. */
    public CallSettings build() {
      return new CallSettings(this);
    }
  }
}
