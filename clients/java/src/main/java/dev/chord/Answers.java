package dev.chord;

import io.grpc.ClientCall;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The messages of a stream: see {@link ChordClient#stream}. One thread reads it; any may {@link #close} it, which ends the loop.
 * Messages are read from the network as they are taken. Where the stream fails, it throws {@link ChordException} and ends. An
 * interrupt of the reader's thread throws one with reason CANCELLED and ends nothing: no message is lost.
 */
public final class Answers<A> implements Iterator<A>, Iterable<A>, AutoCloseable {
  /** The stream has ended, with this error or, for null, without one. */
  private record End(@Nullable ChordException error) {}

  private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
  private final ClientCall<?, A> call;
  private final Runnable release;
  private volatile boolean ended;
  private volatile boolean closed;
  private boolean awaited;
  private @Nullable A next;

  private Answers(ClientCall<?, A> call, Runnable release) {
    this.call = call;
    this.release = release;
  }

  static <Q, A> Answers<A> start(
      Connection connection, MethodDescriptor<Q, A> method, Q request, Consumer<Answers<?>> onEnd) {
    Channels.Lease lease = connection.channels.forWatch();
    Context context = Connection.contextOfStream();
    Context before = context.attach();
    ClientCall<Q, A> call = null;
    Runnable release = once(lease::release);
    try {
      call = connection.newStream(lease.channel, method);
      Answers<A> answers = new Answers<>(call, release);
      call.start(answers.new Listener(connection, context, onEnd), new Metadata());
      call.sendMessage(request);
      call.halfClose();
      return answers;
    } catch (RuntimeException | Error e) { // as an interceptor of the program may throw
      release.run();
      if (call != null) call.cancel("it could not be started", e);
      throw Errors.internal("the call could not be started", e);
    } finally {
      context.detach(before);
    }
  }

  private static Runnable once(Runnable run) {
    AtomicBoolean done = new AtomicBoolean();
    return () -> {
      if (!done.getAndSet(true)) run.run();
    };
  }

  @Override
  public Iterator<A> iterator() {
    return this;
  }

  /** Waits for the next message, or the end. */
  @Override
  @SuppressWarnings("unchecked") // all but the end are messages
  public boolean hasNext() {
    if (next != null) return true;
    if (closed) return false;
    if (!awaited) {
      awaited = true;
      call.request(1);
    }
    Object taken;
    try {
      taken = arrived.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting for a message", e);
    }
    if (taken instanceof End end) {
      boolean byReader = closed;
      closed = true;
      if (end.error != null && !byReader) {
        end.error.fillInStackTrace(); // that of the caller, and not of gRPC's thread
        throw end.error;
      }
      return false;
    }
    awaited = false;
    next = (A) taken;
    return true;
  }

  @Override
  public A next() {
    if (!hasNext()) throw new NoSuchElementException();
    A message = Objects.requireNonNull(next);
    next = null;
    return message;
  }

  /** Ends it without an error. A second time it does nothing. */
  @Override
  public void close() {
    closed = true;
    cancel();
  }

  /** Ends it with an error, where it has not ended. */
  void cancel() {
    call.cancel("the reader has gone", null);
  }

  boolean isEnded() {
    return ended;
  }

  private final class Listener extends ClientCall.Listener<A> {
    private final Connection connection;
    private final Context context;
    private final Consumer<Answers<?>> onEnd;

    Listener(Connection connection, Context context, Consumer<Answers<?>> onEnd) {
      this.connection = connection;
      this.context = context;
      this.onEnd = onEnd;
    }

    @Override
    public void onMessage(A message) {
      arrived.add(message);
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
      ended = true;
      release.run();
      onEnd.accept(Answers.this);
      arrived.add(new End(status.isOk() ? null : connection.failure(status, trailers, context)));
    }
  }
}
