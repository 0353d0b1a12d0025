package dev.chord;

import java.time.Duration;
import java.util.function.Supplier;

/** How to reach a server. */
public final class ClientOptions {
  final Tls tls;
  final Supplier<String> token;
  final Duration deadline;
  final RetryPolicy retry;

  private ClientOptions(Builder builder) {
    tls = builder.tls;
    token = builder.token;
    deadline = builder.deadline;
    retry = builder.retry;
  }

  public static Builder builder() {
    return new Builder();
  }

  public static final class Builder {
    private Tls tls;
    private Supplier<String> token;
    private Duration deadline = Duration.ofSeconds(10);
    private RetryPolicy retry = RetryPolicy.DEFAULT;

    private Builder() {}

    /** Default: not encrypted. */
    public Builder tls(Tls tls) {
      this.tls = tls;
      return this;
    }

    /** Sent as {@code authorization: Bearer} with every call. */
    public Builder token(String token) {
      return token(token == null ? null : () -> token);
    }

    /**
     * A token that changes: asked for each try of a call and each connection of a watch, by many threads at once. What it
     * throws counts as UNAVAILABLE, and is tried again.
     */
    public Builder token(Supplier<String> token) {
      this.token = token;
      return this;
    }

    /** For one call with all its tries. Default 10 s. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** Default {@link RetryPolicy#DEFAULT}. */
    public Builder retry(RetryPolicy retry) {
      this.retry = retry;
      return this;
    }

    public ClientOptions build() {
      return new ClientOptions(this);
    }
  }
}
