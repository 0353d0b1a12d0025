package dev.chord;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import java.util.Map;

/** Sends the headers that the options of a call name. */
final class Headers implements ClientInterceptor {
  private static final CallOptions.Key<Metadata> KEY = CallOptions.Key.create("chord-headers");

  /** These options with further headers. */
  static CallOptions with(CallOptions options, Map<String, String> headers) {
    if (headers.isEmpty()) return options;
    Metadata all = new Metadata();
    if (options.getOption(KEY) != null) all.merge(options.getOption(KEY));
    headers.forEach((name, value) -> all.put(key(name), value));
    return options.withOption(KEY, all);
  }

  /** @throws ChordException INVALID_ARGUMENT for a name that no header may have */
  private static Metadata.Key<String> key(String name) {
    try {
      return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    } catch (IllegalArgumentException e) {
      throw Errors.unsendable("metadata", String.valueOf(e.getMessage()));
    }
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    Metadata added = options.getOption(KEY);
    ClientCall<Q, A> call = next.newCall(method, options);
    if (added == null) return call;
    return new SimpleForwardingClientCall<>(call) {
      @Override
      public void start(Listener<A> listener, Metadata headers) {
        headers.merge(added);
        super.start(listener, headers);
      }
    };
  }
}
