package dev.chord;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A live local copy of contexts, fed by a thread of its own. Reading never waits. Documents are unmodifiable at all levels, and
 * never change: what stays the same is shared by old and new ones. Close it when done.
 */
public final class Replica implements AutoCloseable {
  /** Does nothing: for replicas whose owner learns of their failure in another way. */
  static final ReplicaListener UNHEARD = new ReplicaListener() {
    @Override
    public void changed(ReplicaChange change) {}

    @Override
    public void failed(Throwable error) {}
  };

  private final ReadWriteLock lock = new ReentrantReadWriteLock();

  /** Written by the thread alone, with the lock held. */
  private final Map<String, Held> documents = new HashMap<>();

  private final List<ReplicaListener> listeners = new CopyOnWriteArrayList<>();
  private final List<Waiter> waiters = new CopyOnWriteArrayList<>();
  private final CompletableFuture<@Nullable Void> ready = new CompletableFuture<>();
  private final ChordClient client;
  private final Watch watch;
  private final Thread thread;
  private volatile boolean live;
  private volatile boolean closed;

  /** Why it has ended; null: it has not. */
  private volatile @Nullable ChordException end;

  private record Held(Map<String, @Nullable Object> value, Position position) {}

  private record Waiter(BooleanSupplier holds, CompletableFuture<@Nullable Void> done) {}

  /** A document that was kept, to open a replica from it later: position and value belong together. */
  public record Kept(String id, Map<String, @Nullable Object> value, Position position) {}

  private Replica(ChordClient client, List<Target> targets, List<Kept> state, ReplicaListener... listeners) {
    this.client = client;
    this.listeners.addAll(List.of(listeners));
    Map<String, Position> known = new HashMap<>();
    for (Kept kept : state) {
      if (targets.stream().noneMatch(target -> target.covers(kept.id))) continue;
      documents.put(kept.id, new Held(Values.frozen(kept.value), kept.position));
      known.put(kept.id, kept.position);
    }
    watch = client.watch(targets, WatchOptions.builder().known(known).onDisconnect(this::disconnected).build());
    thread = new Thread(this::run, "chord-replica");
    thread.setDaemon(true);
  }

  /** Begins to copy at once. These listeners miss nothing. */
  public static Replica open(ChordClient client, List<Target> targets, ReplicaListener... listeners) {
    return open(client, targets, List.of(), listeners);
  }

  /**
   * The same, from documents that were kept: they can be read at once, and the server sends what has happened since.
   *
   * @param state what {@link #state} answered; what the targets do not cover is left out
   */
  public static Replica open(
      ChordClient client, List<Target> targets, List<Kept> state, ReplicaListener... listeners) {
    Replica replica = new Replica(client, targets, state, listeners);
    replica.thread.start();
    return replica;
  }

  /** The document now; null: there is none. */
  public @Nullable Map<String, @Nullable Object> get(String id) {
    Held held = held(id);
    return held != null ? held.value : null;
  }

  /** The document now as an object of the program's own; null: there is none. */
  public <T> @Nullable T get(String id, Class<T> type, DocumentMapper mapper) {
    @Nullable Map<String, @Nullable Object> value = get(id);
    return value != null ? mapper.fromDocument(value, type) : null;
  }

  /** Where the document stands; null: there is none. */
  public @Nullable Position position(String id) {
    Held held = held(id);
    return held != null ? held.position : null;
  }

  /** Those of all documents now, in no order. */
  public Set<String> ids() {
    return read(() -> Set.copyOf(documents.keySet()));
  }

  /** The number of documents now. */
  public int size() {
    return read(documents::size);
  }

  /** All documents and positions as of one moment, in no order: to keep. */
  public List<Kept> state() {
    return read(() -> documents.entrySet().stream()
        .map(each -> new Kept(each.getKey(), each.getValue().value, each.getValue().position))
        .toList());
  }

  /** Reads several documents as of one moment, of a batch of writes all or nothing. The replica waits meanwhile. */
  public <T extends @Nullable Object> T read(Supplier<T> reader) {
    lock.readLock().lock();
    try {
      return reader.get();
    } finally {
      lock.readLock().unlock();
    }
  }

  private @Nullable Held held(String id) {
    return read(() -> documents.get(id));
  }

  /**
   * Completes when the copy of a context has what was written at the position, as {@link Position#reaches} says; with
   * {@link ChordException} where the replica ends before.
   */
  public CompletableFuture<@Nullable Void> waitFor(String id, Position position) {
    return waitUntil(() -> {
      Position at = position(id);
      return at != null && at.reaches(position);
    });
  }

  /**
   * Completes when the test of the document holds, which gets null where there is none; with {@link ChordException} where
   * the replica ends before. It is tested at once, and after each change, by the replica's thread.
   */
  public CompletableFuture<@Nullable Void> waitFor(String id, Predicate<@Nullable Map<String, @Nullable Object>> test) {
    return waitUntil(() -> test.test(get(id)));
  }

  /** As {@code waitFor}, with the document for which the test holds; null where that is none. */
  CompletableFuture<@Nullable Kept> until(String id, Predicate<@Nullable Map<String, @Nullable Object>> test) {
    AtomicReference<@Nullable Kept> found = new AtomicReference<>();
    return waitUntil(() -> {
          Held held = held(id);
          if (!test.test(held != null ? held.value : null)) return false;
          found.set(held != null ? new Kept(id, held.value, held.position) : null);
          return true;
        })
        .thenApply(done -> found.get());
  }

  private CompletableFuture<@Nullable Void> waitUntil(BooleanSupplier holds) {
    Waiter waiter = new Waiter(holds, new CompletableFuture<>());
    waiters.add(waiter);
    waiter.done.whenComplete((done, error) -> waiters.remove(waiter));
    wake(waiter);
    if (end != null) waiter.done.completeExceptionally(end);
    return waiter.done;
  }

  private static void wake(Waiter waiter) {
    try {
      if (waiter.holds.getAsBoolean()) waiter.done.complete(null);
    } catch (RuntimeException | Error e) {
      waiter.done.completeExceptionally(e);
    }
  }

  /** Connected, and caught up since. */
  public boolean isLive() {
    return live;
  }

  /** Completes when everything that existed has come; with {@link ChordException} where the replica ends before. */
  public CompletableFuture<@Nullable Void> ready() {
    return ready.copy();
  }

  /**
   * Waits for that.
   *
   * @throws ChordException DEADLINE_EXCEEDED where it takes longer; CANCELLED where the thread is interrupted, also before
   */
  public void awaitReady(Duration timeout) {
    Connection.refuseInterrupted("the wait for the replica");
    try {
      ready.get(Time.nanos(timeout), TimeUnit.NANOSECONDS);
    } catch (ExecutionException e) {
      throw (ChordException) e.getCause();
    } catch (TimeoutException e) {
      throw Errors.deadlineExceeded("the replica is not ready after " + timeout);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting for the replica", e);
    }
  }

  /** Receives what happens from now on. */
  public void addListener(ReplicaListener listener) {
    listeners.add(listener);
  }

  /** Ends that; a call that is under way goes on. */
  public void removeListener(ReplicaListener listener) {
    listeners.remove(listener);
  }

  /** Waits until no listener is called any more, but for one that closes it itself. The copy stays as it is. */
  @Override
  public void close() {
    closed = true;
    watch.close();
    if (Thread.currentThread() == thread) return;
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void run() {
    try (watch) {
      for (List<WatchEvent> batch = watch.nextBatch(); !batch.isEmpty(); batch = watch.nextBatch()) take(batch);
      ended(client.isClosed() ? Connection.closedError() : Errors.cancelled("the replica was closed", null));
    } catch (ChordException e) {
      failed(e);
    } catch (RuntimeException | Error e) {
      failed(Errors.internal("a replica cannot go on", e));
    }
  }

  /** Logs before the end can be seen: a program that sees it may close the replica, after which nothing is logged. */
  private void failed(ChordException error) {
    if (listeners.isEmpty() && !closed) log("a replica has ended", error);
    ended(error);
    report(error);
  }

  private void ended(ChordException error) {
    live = false;
    end = error;
    ready.completeExceptionally(error);
    waiters.forEach(waiter -> waiter.done.completeExceptionally(error));
  }

  /** Applies events that belong together as one, and then tells of them. */
  private void take(List<WatchEvent> batch) {
    List<ReplicaChange> changes = new ArrayList<>();
    Map<String, @Nullable Held> next = new HashMap<>();
    try {
      for (WatchEvent event : batch) apply(event, next, changes);
    } catch (DeltaMismatchException e) {
      watch.resync(batch.stream().map(Replica::contextId).toList());
      return;
    }
    store(next);
    boolean caughtUp = batch.get(0) instanceof WatchEvent.CaughtUp;
    if (caughtUp) {
      live = true;
      ready.complete(null);
    }
    waiters.forEach(Replica::wake);
    for (ReplicaChange change : changes) tell(listener -> listener.changed(change));
    if (caughtUp) tell(ReplicaListener::caughtUp);
  }

  private void store(Map<String, @Nullable Held> next) {
    lock.writeLock().lock();
    try {
      next.forEach((id, held) -> {
        if (held != null) documents.put(id, held);
        else documents.remove(id);
      });
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** @param next what the batch makes of its contexts; null: gone */
  private void apply(WatchEvent event, Map<String, @Nullable Held> next, List<ReplicaChange> changes) {
    if (event instanceof WatchEvent.Full full) {
      Document document = full.document();
      next.put(document.id(), new Held(document.whole(), document.position()));
      changes.add(new ReplicaChange(document.id(), document.whole(), document.position(), null));
    } else if (event instanceof WatchEvent.Changed changed) {
      Delta delta = changed.delta();
      Held held = next.containsKey(delta.id()) ? next.get(delta.id()) : documents.get(delta.id());
      if (held == null) throw new DeltaMismatchException(List.of(), "there is no document");
      Map<String, @Nullable Object> value = delta.applyTo(held.value);
      next.put(delta.id(), new Held(value, delta.to()));
      changes.add(new ReplicaChange(delta.id(), value, delta.to(), delta.changes()));
    } else if (event instanceof WatchEvent.Deleted deleted) {
      next.put(deleted.id(), null);
      changes.add(new ReplicaChange(deleted.id(), null, null, null));
    }
  }

  private static String contextId(WatchEvent event) {
    if (event instanceof WatchEvent.Full full) return full.document().id();
    if (event instanceof WatchEvent.Changed changed) return changed.delta().id();
    return event instanceof WatchEvent.Deleted deleted ? deleted.id() : "";
  }

  private void disconnected(ChordException error, Duration delay) {
    live = false;
    tell(listener -> listener.disconnected(error, delay));
  }

  private void tell(Consumer<ReplicaListener> event) {
    for (ReplicaListener listener : listeners) {
      if (closed) return;
      try {
        event.accept(listener);
      } catch (RuntimeException | Error e) {
        report(e);
      }
    }
  }

  private void report(Throwable error) {
    for (ReplicaListener listener : listeners) {
      if (closed) return;
      try {
        listener.failed(error);
      } catch (RuntimeException | Error e) {
        log("a listener threw", e);
      }
    }
  }

  /** A logger of the program that throws ends nothing: waiters would never be woken. */
  private void log(String message, Throwable error) {
    try {
      client.error(message, error);
    } catch (RuntimeException | Error e) {
      error.addSuppressed(e);
    }
  }
}
