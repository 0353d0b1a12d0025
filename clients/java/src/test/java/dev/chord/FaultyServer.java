package dev.chord;

import dev.chord.v1.ContextServiceGrpc;
import dev.chord.v1.GetContextRequest;
import dev.chord.v1.GetContextResponse;
import dev.chord.v1.SetContextRequest;
import dev.chord.v1.SetContextResponse;
import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.UpdateContextRequest;
import dev.chord.v1.UpdateContextResponse;
import dev.chord.v1.WaitContextRequest;
import dev.chord.v1.WaitContextResponse;
import dev.chord.v1.WatchContextsRequest;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerBuilder;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/** A peer that goes wrong as told: a real server does so only by accident. */
final class FaultyServer implements AutoCloseable {
  interface OnSet {
    /** Throws what the call shall fail with; {@link #SILENCE}: it is never answered. */
    void call(int number, SetContextRequest request) throws Exception;
  }

  interface OnWatch {
    /** @param number of this stream, from 1 */
    void call(int number, WatchContextsRequest request, StreamObserver<WatchContextsResponse> stream);
  }

  /** What the first waits fail with; further ones are answered. */
  final List<Status> waitFailures = new CopyOnWriteArrayList<>();

  /** So many reads are answered; further ones never. */
  volatile int answeredGets = Integer.MAX_VALUE;

  /** What the first updates fail with; further ones are never answered. */
  final List<Status> updateFailures = new CopyOnWriteArrayList<>();

  static final Exception SILENCE = new Exception("no answer");

  final AtomicInteger sets = new AtomicInteger();
  final AtomicInteger gets = new AtomicInteger();
  final AtomicInteger updates = new AtomicInteger();
  final AtomicInteger watches = new AtomicInteger();
  final AtomicInteger waits = new AtomicInteger();
  final List<String> authorizations = new CopyOnWriteArrayList<>();
  private final Server server;

  FaultyServer(OnSet onSet) throws IOException {
    this(onSet, (number, request, stream) -> {}, InsecureServerCredentials.create());
  }

  FaultyServer(OnWatch onWatch) throws IOException {
    this((number, request) -> {}, onWatch, InsecureServerCredentials.create());
  }

  FaultyServer(OnSet onSet, OnWatch onWatch, ServerCredentials credentials) throws IOException {
    this(onSet, onWatch, Grpc.newServerBuilderForPort(0, credentials));
  }

  FaultyServer(OnSet onSet, OnWatch onWatch, ServerBuilder<?> builder) throws IOException {
    ContextServiceGrpc.ContextServiceImplBase contexts = new ContextServiceGrpc.ContextServiceImplBase() {
      @Override
      public void setContext(SetContextRequest request, StreamObserver<SetContextResponse> answer) {
        try {
          onSet.call(sets.incrementAndGet(), request);
          answer.onNext(SetContextResponse.newBuilder().setPosition(position(1)).setChanged(true).build());
          answer.onCompleted();
        } catch (Exception e) {
          if (e != SILENCE) answer.onError(e);
        }
      }

      @Override
      public void getContext(GetContextRequest request, StreamObserver<GetContextResponse> answer) {
        if (gets.incrementAndGet() > answeredGets) return;
        answer.onNext(GetContextResponse.newBuilder()
            .setContext(dev.chord.v1.Context.newBuilder().setPosition(position(1)))
            .build());
        answer.onCompleted();
      }

      @Override
      public void updateContext(UpdateContextRequest request, StreamObserver<UpdateContextResponse> answer) {
        int number = updates.incrementAndGet();
        if (number <= updateFailures.size()) answer.onError(updateFailures.get(number - 1).asRuntimeException());
      }
    };
    SyncServiceGrpc.SyncServiceImplBase syncs = new SyncServiceGrpc.SyncServiceImplBase() {
      @Override
      public void watchContexts(WatchContextsRequest request, StreamObserver<WatchContextsResponse> stream) {
        onWatch.call(watches.incrementAndGet(), request, stream);
      }

      @Override
      public void waitContext(WaitContextRequest request, StreamObserver<WaitContextResponse> answer) {
        int number = waits.incrementAndGet();
        if (number <= waitFailures.size()) {
          answer.onError(waitFailures.get(number - 1).asRuntimeException());
          return;
        }
        answer.onNext(WaitContextResponse.newBuilder().setHeldAt(1).build());
        answer.onCompleted();
      }
    };
    server = builder
        .addService(contexts)
        .addService(syncs)
        .intercept(new Authorizations())
        .build()
        .start();
  }

  String address() {
    return "127.0.0.1:" + server.getPort();
  }

  static dev.chord.v1.Position position(long version) {
    return dev.chord.v1.Position.newBuilder().setEpoch("e").setVersion(version).setDigest("d").build();
  }

  static WatchContextsResponse full(String id, long version) {
    dev.chord.v1.Context context =
        dev.chord.v1.Context.newBuilder().setContextId(id).setPosition(position(version)).build();
    return WatchContextsResponse.newBuilder().setFull(dev.chord.v1.Full.newBuilder().setContext(context)).build();
  }

  static WatchContextsResponse more(WatchContextsResponse message) {
    return message.toBuilder().setMore(true).build();
  }

  static WatchContextsResponse caughtUp() {
    return WatchContextsResponse.newBuilder().setCaughtUp(dev.chord.v1.CaughtUp.getDefaultInstance()).build();
  }

  static WatchContextsResponse delta(String id, long from, long to) {
    return WatchContextsResponse.newBuilder()
        .setDelta(dev.chord.v1.Delta.newBuilder().setContextId(id).setFrom(position(from)).setTo(position(to)))
        .build();
  }

  @Override
  public void close() throws InterruptedException {
    server.shutdownNow().awaitTermination();
  }

  private final class Authorizations implements ServerInterceptor {
    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
        ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
      authorizations.add(
          String.valueOf(headers.get(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER))));
      return next.startCall(call, headers);
    }
  }
}
