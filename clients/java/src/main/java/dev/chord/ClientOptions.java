package dev.chord;

import java.time.Duration;
import java.util.function.Supplier;

/** How to reach a server. */
public final class ClientOptions {
  final Tls tls;
  final Supplier<String> token;

  /** Whether the token is a function, which may have a new one. */
  final boolean renewsToken;

  final Duration deadline;
  final RetryPolicy retry;
  final int callsInFlight;
  final int watchesPerConnection;

  private ClientOptions(Builder builder) {
    tls = builder.tls;
    token = builder.token;
    renewsToken = builder.renewsToken;
    deadline = builder.deadline;
    retry = builder.retry;
    callsInFlight = builder.callsInFlight;
    watchesPerConnection = builder.watchesPerConnection;
  }

  public static Builder builder() {
    return new Builder();
  }

  public static final class Builder {
    private Tls tls;
    private Supplier<String> token;
    private boolean renewsToken;
    private Duration deadline = Duration.ofSeconds(10);
    private RetryPolicy retry = RetryPolicy.DEFAULT;
    private int callsInFlight = 100;
    private int watchesPerConnection = 90;

    private Builder() {}

    /** Default: not encrypted. */
    public Builder tls(Tls tls) {
      this.tls = tls;
      return this;
    }

    /** Sent as {@code authorization: Bearer} with every call. */
    public Builder token(String token) {
      this.token = token == null ? null : () -> token;
      renewsToken = false;
      return this;
    }

    /**
     * A token that changes: asked for each try of a call and each connection of a watch, by many threads at once. What it
     * throws counts as UNAVAILABLE, and is tried again.
     */
    public Builder token(Supplier<String> token) {
      this.token = token;
      renewsToken = true;
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

    /**
     * Calls that are under way at once; further ones wait for them, in their order, as long as their deadlines last.
     * Default 100.
     */
    public Builder callsInFlight(int calls) {
      if (calls < 1) throw new IllegalArgumentException("callsInFlight: at least 1");
      callsInFlight = calls;
      return this;
    }

    /**
     * Watches, those of replicas included, that share a connection; further ones get another. Together with
     * {@code callsInFlight} it must stay below the streams that the server allows on a connection (1000). Default 90.
     */
    public Builder watchesPerConnection(int watches) {
      if (watches < 1) throw new IllegalArgumentException("watchesPerConnection: at least 1");
      watchesPerConnection = watches;
      return this;
    }

    public ClientOptions build() {
      return new ClientOptions(this);
    }
  }
}
