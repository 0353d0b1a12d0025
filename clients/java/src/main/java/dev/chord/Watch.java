package dev.chord;

import dev.chord.v1.SyncServiceGrpc;
import dev.chord.v1.WatchContextsRequest;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A stream of events that connects again by itself, from where it stands.
 *
 * <p>{@code try (Watch watch = client.watch(Target.id("room:1"))) { for (WatchEvent event : watch) ... }}
 *
 * <p>One thread reads it; any may {@link #close} it, which ends the loop. Everything happens as events are taken: a
 * slow reader gets merged deltas. Where it cannot go on, it throws {@link ChordException} and ends. An interrupt of the
 * reader's thread throws one with reason CANCELLED and ends nothing: no event is lost.
 */
public final class Watch implements Iterator<WatchEvent>, Iterable<WatchEvent>, AutoCloseable {
  /** Messages that may wait for the reader. */
  private static final int BUFFER = 16;

  /** Errors other than UNAVAILABLE may be the network's, or be there to stay. */
  private static final int DOUBTFUL_FAILURES_MAX = 5;

  private final Connection connection;
  private final WatchOptions options;
  private final Tracker tracker;
  private final Consumer<Watch> onClose;

  /** What came from the network. */
  private final BlockingQueue<Signal> inbox = new LinkedBlockingQueue<>();

  /** What the reader has not taken yet of the last message. */
  private final Queue<WatchEvent> ready = new ArrayDeque<>();

  /** Null between connections. Written by the reader alone, with the monitor held. */
  private @Nullable ClientCall<WatchContextsRequest, WatchContextsResponse> stream;

  /** The connection of its streams, from the first one on. Written with the monitor held. */
  private Channels.@Nullable Lease lease;

  /** When to connect, by System.nanoTime: at the latest, and where the server can be reached again. */
  private long connectAt = System.nanoTime();
  private long connectFrom = connectAt;

  /** The server can be reached again, after the failure of this number. */
  private volatile int reachable;

  /** Failures in a row; and those with doubtful errors since the last message came. */
  private int failures;
  private int doubtful;

  /** All failures there were. */
  private int disconnects;

  /** What the server asked for when it closed the stream. */
  private @Nullable Duration retryAfter;

  /** Whether this connection has brought an event or a heartbeat, and when the first one. */
  private boolean heard;
  private long heardAt;

  /** A token was refused since the last event or heartbeat. */
  private boolean refused;

  /** The reader asks for a new connection: see resync. */
  private boolean misfit;

  private volatile boolean closed;

  Watch(Connection connection, List<Target> targets, WatchOptions options, Consumer<Watch> onClose) {
    this.connection = connection;
    this.options = options;
    this.onClose = onClose;
    tracker = new Tracker(targets, options.known, Tracker.KNOWN_BYTES_MAX);
  }

  /** A message of a stream, or its end; or nothing: a call to look up. */
  private record Signal(
      @Nullable ClientCall<?, ?> stream, @Nullable WatchContextsResponse message, @Nullable ChordException end) {}

  @Override
  public Iterator<WatchEvent> iterator() {
    return this;
  }

  /** Waits for the next event. False: the watch was closed. */
  @Override
  public boolean hasNext() {
    return await(Time.FOREVER);
  }

  /** Waits for the next event. */
  @Override
  public WatchEvent next() {
    if (!hasNext()) throw new NoSuchElementException("the watch is closed");
    return ready.remove();
  }

  /** The next event; empty where none comes in time, or the watch is closed. */
  public Optional<WatchEvent> poll(Duration timeout) {
    return await(Time.nanos(timeout)) ? Optional.of(ready.remove()) : Optional.empty();
  }

  /** Closed by the reader, or ended by an error. */
  public boolean isClosed() {
    return closed;
  }

  /** Ends it, also for a reader that waits. */
  @Override
  public void close() {
    synchronized (this) {
      if (closed) return;
      closed = true;
      if (stream != null) stream.cancel("the watch was closed", null);
      if (lease != null) lease.release();
    }
    inbox.add(new Signal(null, null, null));
    onClose.accept(this);
  }

  /** The last events did not fit the reader's copies of these contexts: connects again for the documents. */
  void resync(Collection<String> ids) {
    ids.forEach(tracker::doubt);
    misfit = true;
  }

  /** Waits for the next events that belong together. Empty: the watch was closed. */
  List<WatchEvent> nextBatch() {
    List<WatchEvent> batch = new ArrayList<>();
    if (!hasNext()) return batch;
    do batch.add(ready.remove());
    while (batch.get(batch.size() - 1).more());
    return batch;
  }

  /** Works until an event is ready. False: the time is over, or the watch closed. */
  private boolean await(long timeout) {
    if (!closed) Connection.refuseInterrupted("the next event"); // some are ready already, or not, as they came
    long end = System.nanoTime() + timeout;
    while (!closed) {
      if (misfit) disconnected(misfitError());
      if (!ready.isEmpty()) return true;
      if (reachable == disconnects && connectFrom - connectAt < 0) connectAt = connectFrom;
      long now = System.nanoTime();
      if (stream == null && connectAt - now <= 0) connect();
      Signal signal = receive(stream == null ? Math.min(end - now, connectAt - now) : end - now);
      if (signal != null && signal.stream != null && signal.stream == stream) take(signal.stream, signal);
      else if (signal == null && end - System.nanoTime() <= 0) return false;
    }
    return false;
  }

  private @Nullable Signal receive(long nanos) {
    try {
      return inbox.poll(nanos, TimeUnit.NANOSECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting for an event", e);
    }
  }

  private void take(ClientCall<?, ?> stream, Signal signal) {
    if (signal.end != null) {
      disconnected(signal.end);
      return;
    }
    WatchContextsResponse message = Objects.requireNonNull(signal.message);
    if (!message.hasClosing()) {
      if (!heard) heardAt = System.nanoTime();
      heard = true;
      refused = false;
      doubtful = 0;
    } else if (message.getClosing().hasRetryAfter()) {
      retryAfter = Conversion.fromDuration(message.getClosing().getRetryAfter());
    }
    List<WatchEvent> events = read(message);
    if (events == null) {
      misfit = true;
      return;
    }
    ready.addAll(events);
    stream.request(1);
  }

  /** @throws ChordException for what cannot be read: a reader that went on would miss it */
  private @Nullable List<WatchEvent> read(WatchContextsResponse message) {
    try {
      return tracker.take(message);
    } catch (RuntimeException e) { // a time that Java cannot hold
      close();
      throw Errors.internal("an event cannot be read", e);
    }
  }

  private void connect() {
    WatchContextsRequest.Builder request = WatchContextsRequest.newBuilder()
        .addAllSubscriptions(tracker.connect())
        .setIncludeOldValues(options.includeOldValues)
        .setFormat(options.format);
    if (options.heartbeatInterval != null) {
      request.setHeartbeatInterval(Conversion.toDuration(options.heartbeatInterval));
    }
    retryAfter = null;
    heard = false;
    try {
      open(request.build());
    } catch (ChordException e) { // the client is closed
      throw e;
    } catch (RuntimeException | Error e) { // as an interceptor of the program may throw
      close();
      throw Errors.internal("the call could not be started", e);
    }
  }

  private synchronized void open(WatchContextsRequest request) {
    if (closed) return;
    if (lease == null) lease = connection.channels.forWatch();
    ManagedChannel channel = lease.channel;
    if (failures > 0) Connection.reconnect(channel);
    Connection.contextOfStream().run(() -> {
      ClientCall<WatchContextsRequest, WatchContextsResponse> call =
          connection.newStream(channel, SyncServiceGrpc.getWatchContextsMethod());
      stream = call;
      call.start(new Listener(call), new Metadata());
      call.request(BUFFER);
      call.sendMessage(request);
      call.halfClose();
    });
  }

  /** @throws ChordException where it is final */
  private void disconnected(ChordException error) {
    synchronized (this) {
      if (closed) return;
      if (stream != null) stream.cancel("a new stream follows", null);
      stream = null;
    }
    misfit = false;
    if (!goesOn(error)) {
      close();
      throw error;
    }
    // A word before each failure is no health.
    if (heard && System.nanoTime() - heardAt >= Time.nanos(connection.retry.backoffMax())) failures = 0;
    Duration delay = Time.max(Time.max(connection.retry.backoff(failures++), retryAfter), error.retryAfter());
    long now = System.nanoTime();
    connectAt = now + Time.nanos(delay);
    connectFrom = now + Time.nanos(Time.max(Time.max(Duration.ZERO, retryAfter), error.retryAfter()));
    heard = false;
    int number = ++disconnects;
    connection.whenReachable(() -> {
      reachable = number;
      inbox.add(new Signal(null, null, null));
    });
    connection.warn("a watch was disconnected, and connects again", error);
    options.onDisconnect.accept(error, delay);
  }

  private boolean goesOn(ChordException error) {
    if (Errors.isOutage(error)) return true;
    if (error.code() == Status.Code.UNAUTHENTICATED) {
      // Expired under way, or while the connection was away: there may be a new one.
      boolean again = heard || (connection.renewsToken && !refused);
      refused |= !heard;
      return again;
    }
    return error.isTransient() && ++doubtful <= DOUBTFUL_FAILURES_MAX;
  }

  private static ChordException misfitError() {
    return Errors.unavailable("an event does not fit what came before");
  }

  /** Puts what comes into the inbox; the reader asks for no more than fits. */
  private final class Listener extends ClientCall.Listener<WatchContextsResponse> {
    private final ClientCall<?, ?> stream;
    private final Context context = Context.current();

    Listener(ClientCall<?, ?> stream) {
      this.stream = stream;
    }

    @Override
    public void onMessage(WatchContextsResponse message) {
      inbox.add(new Signal(stream, message, null));
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      ChordException end = status.isOk()
          ? Errors.unavailable("the server ended the stream")
          : connection.failure(status, trailers, context);
      inbox.add(new Signal(stream, null, end));
    }
  }
}
