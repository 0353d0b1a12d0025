package dev.chord;

import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannelBuilder;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** How to reach a server. */
public final class ClientOptions {
  final @Nullable Tls tls;
  final @Nullable Supplier<String> token;

  /** Whether the token is a function, which may have a new one. */
  final boolean renewsToken;

  final Duration deadline;
  final RetryPolicy retry;
  final int callsInFlight;
  final int watchesPerConnection;
  final List<String> endpoints;
  final @Nullable String userAgent;
  final Map<String, String> metadata;
  final List<ClientInterceptor> interceptors;
  final Consumer<? super ManagedChannelBuilder<?>> channel;

  /** Null: errors go to the system's log, and nothing else is logged. */
  final System.@Nullable Logger logger;

  private ClientOptions(Builder builder) {
    tls = builder.tls;
    token = builder.token;
    renewsToken = builder.renewsToken;
    deadline = builder.deadline;
    retry = builder.retry;
    callsInFlight = builder.callsInFlight;
    watchesPerConnection = builder.watchesPerConnection;
    endpoints = List.copyOf(builder.endpoints);
    userAgent = builder.userAgent;
    metadata = Map.copyOf(builder.metadata);
    interceptors = List.copyOf(builder.interceptors);
    channel = builder.channel;
    logger = builder.logger;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a client. */
  public static final class Builder {
    private @Nullable Tls tls;
    private @Nullable Supplier<String> token;
    private boolean renewsToken;
    private Duration deadline = Duration.ofSeconds(10);
    private RetryPolicy retry = RetryPolicy.DEFAULT;
    private int callsInFlight = 100;
    private int watchesPerConnection = 90;
    private List<String> endpoints = List.of();
    private @Nullable String userAgent;
    private Map<String, String> metadata = Map.of();
    private List<ClientInterceptor> interceptors = List.of();
    private Consumer<? super ManagedChannelBuilder<?>> channel = builder -> {};
    private System.@Nullable Logger logger;

    private Builder() {}

    /** Default: not encrypted. */
    public Builder tls(@Nullable Tls tls) {
      this.tls = tls;
      return this;
    }

    /** Sent as {@code authorization: Bearer} with every call. */
    public Builder token(@Nullable String token) {
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

    /**
     * Further addresses of the same service, HOST:PORT, beside that of {@link ChordClient#connect}. Calls and watches go to those
     * that can be reached, in turn (round robin). An address {@code dns:///NAME:PORT} alone does the same with all addresses of the
     * name.
     */
    public Builder endpoints(String... addresses) {
      endpoints = List.of(addresses);
      return this;
    }

    /** Names the program in the header user-agent, before the client: {@code shop/1.2 chordstate-java/0.1.0 grpc-java-netty/...}. */
    public Builder userAgent(@Nullable String program) {
      userAgent = program;
      return this;
    }

    /** Sent with each try of a call and each connection of a watch; for some calls alone: {@link ChordClient#withMetadata}. */
    public Builder metadata(Map<String, String> headers) {
      metadata = headers;
      return this;
    }

    /**
     * gRPC's own, as {@code GrpcTelemetry} of OpenTelemetry has one. They see each try of a call, with its headers; the first one is
     * the outermost.
     */
    public Builder interceptors(ClientInterceptor... interceptors) {
      this.interceptors = List.of(interceptors);
      return this;
    }

    /** Changes how each connection is made, after the client's own settings: executor, proxy, resolver, keepalive. */
    public Builder channel(Consumer<? super ManagedChannelBuilder<?>> change) {
      channel = change;
      return this;
    }

    /**
     * For what happens unseen: a watch or replica that connects again (warning), a replica without listeners that has ended, a
     * listener that threw (error). Without it, errors go to {@link System#getLogger}, and warnings nowhere.
     */
    public Builder logger(System.@Nullable Logger logger) {
      this.logger = logger;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public ClientOptions build() {
      return new ClientOptions(this);
    }
  }
}
