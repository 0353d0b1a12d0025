package dev.chord;

import io.grpc.ClientInterceptor;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Connections to one server. A server bounds the streams of a connection, and lets calls above the bound wait without a
 * word. So the first connection carries all calls and as many watches as there may be on one; further watches get further
 * connections, which close with the last of their watches.
 */
final class Channels {
  private static final int METADATA_BYTES_MAX = 64 << 10;
  private static final int CLOSE_SECONDS_MAX = 5;
  private static final String USER_AGENT = "chordstate-java/0.1.0";

  private final Supplier<ManagedChannel> open;
  private final int watchesMax;
  private final List<Lease> all = new ArrayList<>();
  private boolean closed;

  Channels(Supplier<ManagedChannel> open, int watchesMax) {
    this.open = open;
    this.watchesMax = watchesMax;
    all.add(new Lease(open.get()));
  }

  /** A channel, and the watches on it. */
  final class Lease {
    final ManagedChannel channel;
    private int watches;

    private Lease(ManagedChannel channel) {
      this.channel = channel;
    }

    /** The watch has ended. */
    void release() {
      synchronized (Channels.this) {
        if (--watches > 0 || this == all.get(0)) return;
        all.remove(this);
      }
      channel.shutdown();
    }
  }

  ManagedChannel forCalls() {
    return all.get(0).channel;
  }

  /** For one watch. */
  synchronized Lease forWatch() {
    if (closed) throw Connection.closedError();
    Lease lease = all.stream().filter(each -> each.watches < watchesMax).findFirst().orElse(null);
    if (lease == null) {
      lease = new Lease(open.get());
      all.add(lease);
    }
    lease.watches++;
    return lease;
  }

  void close() {
    List<Lease> last;
    synchronized (this) {
      closed = true;
      last = List.copyOf(all);
    }
    last.forEach(lease -> lease.channel.shutdownNow());
    try {
      for (Lease lease : last) lease.channel.awaitTermination(CLOSE_SECONDS_MAX, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  static ManagedChannel open(String address, ClientOptions options) {
    Tls tls = options.tls;
    List<String> all = new ArrayList<>(List.of(address));
    all.addAll(options.endpoints);
    String target = all.size() > 1 ? Endpoints.target(all) : address;
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(target, tls != null ? tls.credentials() : InsecureChannelCredentials.create());
    if (all.size() > 1 || address.startsWith("dns:")) builder.defaultLoadBalancingPolicy("round_robin");
    if (tls != null && tls.serverName() != null) builder.overrideAuthority(tls.serverName());
    builder
        .userAgent((options.userAgent != null ? options.userAgent + " " : "") + USER_AGENT)
        // A delta with its old values may be larger than a document.
        .maxInboundMessageSize(Integer.MAX_VALUE)
        .maxInboundMetadataSize(METADATA_BYTES_MAX)
        // A dead server must not look like a quiet one.
        .keepAliveTime(20, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        // Trying again is our own business.
        .disableRetry();
    // gRPC calls the last one first.
    List<ClientInterceptor> inwards = new ArrayList<>(options.interceptors);
    Collections.reverse(inwards);
    builder.intercept(inwards).intercept(new Headers());
    options.channel.accept(builder);
    return builder.build();
  }
}
