package dev.chord;

import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/** A gRPC channel: its settings, calls with their retries, errors. */
final class Connection implements AutoCloseable {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
  private static final int METADATA_BYTES_MAX = 64 << 10;
  private static final int CLOSE_SECONDS_MAX = 5;

  final RetryPolicy retry;
  private final Duration deadline;
  private final ManagedChannel managed;

  /** Of every call. */
  private final CallOptions plain;

  private final CountDownLatch closed = new CountDownLatch(1);

  Connection(String address, ClientOptions options) {
    retry = options.retry;
    deadline = options.deadline;
    managed = open(address, options.tls);
    plain = options.token == null ? CallOptions.DEFAULT : CallOptions.DEFAULT.withCallCredentials(new Bearer(options.token));
  }

  private static ManagedChannel open(String address, Tls tls) {
    ManagedChannelBuilder<?> builder =
        Grpc.newChannelBuilder(address, tls != null ? tls.credentials() : InsecureChannelCredentials.create());
    if (tls != null && tls.serverName() != null) builder.overrideAuthority(tls.serverName());
    return builder
        // A delta with its old values may be larger than a document.
        .maxInboundMessageSize(Integer.MAX_VALUE)
        .maxInboundMetadataSize(METADATA_BYTES_MAX)
        // A dead server must not look like a quiet one.
        .keepAliveTime(20, TimeUnit.SECONDS)
        .keepAliveTimeout(10, TimeUnit.SECONDS)
        // Trying again is our own business.
        .disableRetry()
        .build();
  }

  /**
   * Tries until success, a final error, or the end of attempts or time.
   *
   * @param deadline in place of the client's; may be null
   * @throws ChordException the last try's error
   */
  <Q, A> A call(MethodDescriptor<Q, A> method, Q request, Duration deadline) {
    long end = System.nanoTime() + Time.nanos(deadline != null ? deadline : this.deadline);
    for (int failures = 0; ; failures++) {
      try {
        return attempt(method, request, end - System.nanoTime());
      } catch (StatusRuntimeException e) {
        ChordException error = failure(e.getStatus(), e.getTrailers());
        boolean again = error.isTransient() || error.code() == Status.Code.DEADLINE_EXCEEDED;
        if (!again || isCancelled() || failures + 1 >= retry.attempts()) throw error;
        // Never more than half of what is left: a long backoff must not end a call early.
        long left = end - System.nanoTime();
        Duration backoff = Time.min(retry.backoff(failures), Duration.ofNanos(left / 2));
        long wait = Time.nanos(Time.max(backoff, error.retryAfter()));
        if (wait >= left) throw error;
        pause(wait);
        reconnect();
      }
    }
  }

  private <Q, A> A attempt(MethodDescriptor<Q, A> method, Q request, long left) {
    long timeout = Math.min(left, Time.nanos(retry.attemptTimeout()));
    CallOptions options = plain.withDeadlineAfter(timeout, TimeUnit.NANOSECONDS);
    return ClientCalls.blockingUnaryCall(managed.newCall(method, options), request);
  }

  <Q, A> ClientCall<Q, A> newStream(MethodDescriptor<Q, A> method) {
    return managed.newCall(method, plain);
  }

  /** What a call ended with, as the caller shall see it. Final where the caller ended it. */
  ChordException failure(Status status, Metadata trailers) {
    if (isClosed()) return closedError();
    ChordException error = Errors.decode(status, trailers);
    return error.isTransient() && isCancelled() ? Errors.cancelled(error.getMessage(), error) : error;
  }

  /** The caller ended it: by an interrupt, or by gRPC's context. */
  private static boolean isCancelled() {
    return Thread.currentThread().isInterrupted() || Context.current().isCancelled();
  }

  /** Makes the next call connect anew: the channel itself would wait longer, and fail calls until then. */
  void reconnect() {
    if (managed.getState(false) == ConnectivityState.TRANSIENT_FAILURE) managed.enterIdle();
  }

  boolean isClosed() {
    return closed.getCount() == 0;
  }

  static ChordException closedError() {
    return Errors.cancelled("the client is closed", null);
  }

  private void pause(long nanos) {
    try {
      if (closed.await(nanos, TimeUnit.NANOSECONDS)) throw closedError();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting to try again", e);
    }
  }

  /** Asks for a token, and sends it, with every call. */
  private static final class Bearer extends CallCredentials {
    private final Supplier<String> token;

    Bearer(Supplier<String> token) {
      this.token = token;
    }

    @Override
    public void applyRequestMetadata(RequestInfo call, Executor executor, MetadataApplier applier) {
      executor.execute(() -> {
        try {
          Metadata headers = new Metadata();
          headers.put(AUTHORIZATION, "Bearer " + token.get());
          applier.apply(headers);
        } catch (RuntimeException e) {
          applier.fail(Status.UNAVAILABLE.withDescription("there is no token: " + e.getMessage()).withCause(e));
        }
      });
    }
  }

  @Override
  public void close() {
    closed.countDown();
    managed.shutdownNow();
    try {
      managed.awaitTermination(CLOSE_SECONDS_MAX, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
