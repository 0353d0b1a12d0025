package dev.chord;

import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#get(String, GetOptions)}. */
public final class GetOptions {
  static final GetOptions NONE = builder().build();

  final boolean includeExpiries;
  final long version;
  final @Nullable Instant at;
  final @Nullable Duration deadline;

  private GetOptions(Builder builder) {
    includeExpiries = builder.includeExpiries;
    version = builder.version;
    at = builder.at;
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a get. */
  public static final class Builder {
    private boolean includeExpiries;
    private long version;
    private @Nullable Instant at;
    private @Nullable Duration deadline;

    private Builder() {}

    /** Which members expire, and when: {@link Document#expiries}. Of the present version only. */
    public Builder includeExpiries() {
      includeExpiries = true;
      return this;
    }

    /**
     * The document of this version of the present life. NOT_FOUND above the present version, FAILED_PRECONDITION where its history
     * is no longer retained.
     */
    public Builder version(long version) {
      this.version = version;
      return this;
    }

    /**
     * The document as it was then, as far as {@link #version} goes. NOT_FOUND before the present life began. Not together with a
     * version.
     */
    public Builder at(Instant at) {
      this.at = at;
      return this;
    }

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public GetOptions build() {
      return new GetOptions(this);
    }
  }
}
