package dev.chord;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.ForkJoinPool;
import org.jspecify.annotations.Nullable;

/** Several addresses of one service as one target: each stays an address of its own, for gRPC to balance between them. */
final class Endpoints extends NameResolverProvider {
  private static final String SCHEME = "chord-endpoints";

  static {
    NameResolverRegistry.getDefaultRegistry().register(new Endpoints());
  }

  /** @param addresses HOST:PORT, two or more */
  static String target(List<String> addresses) {
    addresses.forEach(Endpoints::parse);
    try {
      return new URI(SCHEME, "", "/" + String.join(",", addresses), null).toString();
    } catch (URISyntaxException e) {
      throw Errors.unsendable("endpoints", String.valueOf(e.getMessage()));
    }
  }

  private static URI parse(String address) {
    try {
      URI uri = new URI(null, address, null, null, null).parseServerAuthority();
      if (uri.getHost() != null && uri.getPort() > 0) return uri;
    } catch (URISyntaxException e) {
      // as below
    }
    throw Errors.unsendable("endpoints", "expected HOST:PORT, got " + address);
  }

  @Override
  public @Nullable NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!SCHEME.equals(target.getScheme())) return null;
    Executor executor = args.getOffloadExecutor() != null ? args.getOffloadExecutor() : ForkJoinPool.commonPool();
    return new Resolver(List.of(target.getPath().substring(1).split(",")), executor);
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  /** Below those of gRPC: it is no default. */
  @Override
  protected int priority() {
    return 1;
  }

  private static final class Resolver extends NameResolver {
    private final List<String> addresses;
    private final Executor executor;
    /** From the start on. */
    private @Nullable Listener2 listener;

    Resolver(List<String> addresses, Executor executor) {
      this.addresses = addresses;
      this.executor = executor;
    }

    @Override
    public String getServiceAuthority() {
      return addresses.get(0);
    }

    @Override
    public void start(Listener2 listener) {
      this.listener = listener;
      refresh();
    }

    @Override
    public void refresh() {
      executor.execute(this::resolve);
    }

    private void resolve() {
      Listener2 listener = Objects.requireNonNull(this.listener);
      List<EquivalentAddressGroup> groups = new ArrayList<>();
      for (String address : addresses) {
        URI uri = parse(address);
        InetSocketAddress found = new InetSocketAddress(uri.getHost(), uri.getPort());
        if (found.isUnresolved()) continue;
        // The name that its certificate must have.
        Attributes name =
            Attributes.newBuilder().set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, address).build();
        groups.add(new EquivalentAddressGroup(found, name));
      }
      if (groups.isEmpty()) {
        listener.onError(Status.UNAVAILABLE.withDescription("none of " + addresses + " can be resolved"));
      } else {
        listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(groups)).build());
      }
    }

    @Override
    public void shutdown() {}
  }
}
