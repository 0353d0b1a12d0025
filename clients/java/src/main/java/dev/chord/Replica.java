package dev.chord;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/**
 * A live local copy of contexts, fed by a thread of its own. Reading never waits. Documents are read-only, and never
 * change: what stays the same is shared by old and new ones. Close it when done.
 */
public final class Replica implements AutoCloseable {
  private final Map<String, Held> documents = new ConcurrentHashMap<>();
  private final List<ReplicaListener> listeners = new CopyOnWriteArrayList<>();
  private final CompletableFuture<Void> ready = new CompletableFuture<>();
  private final Watch watch;
  private final Thread thread;
  private volatile boolean live;
  private volatile boolean closed;

  private record Held(Map<String, Object> value, Position position) {}

  private Replica(ChordClient client, List<Target> targets, ReplicaListener... listeners) {
    this.listeners.addAll(List.of(listeners));
    watch = client.watch(targets, WatchOptions.builder().onDisconnect(this::disconnected).build());
    thread = new Thread(this::run, "chord-replica");
    thread.setDaemon(true);
  }

  /** Begins to copy at once. These listeners miss nothing. */
  public static Replica open(ChordClient client, List<Target> targets, ReplicaListener... listeners) {
    Replica replica = new Replica(client, targets, listeners);
    replica.thread.start();
    return replica;
  }

  /** The document now; null: there is none. */
  public Map<String, Object> get(String id) {
    Held held = documents.get(id);
    return held != null ? held.value : null;
  }

  /** Where the document stands; null: there is none. */
  public Position position(String id) {
    Held held = documents.get(id);
    return held != null ? held.position : null;
  }

  /** Those of all documents now, in no order. */
  public Set<String> ids() {
    return Set.copyOf(documents.keySet());
  }

  public int size() {
    return documents.size();
  }

  /** Connected, and caught up since. */
  public boolean isLive() {
    return live;
  }

  /** Completes when everything that existed has come; with {@link ChordException} where the replica ends before. */
  public CompletableFuture<Void> ready() {
    return ready.copy();
  }

  /**
   * Waits for that.
   *
   * @throws ChordException DEADLINE_EXCEEDED where it takes longer
   */
  public void awaitReady(Duration timeout) {
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

  public void addListener(ReplicaListener listener) {
    listeners.add(listener);
  }

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
      for (WatchEvent event : watch) take(event);
      live = false;
      ready.completeExceptionally(Errors.cancelled("the replica was closed", null));
    } catch (ChordException e) {
      live = false;
      ready.completeExceptionally(e);
      report(e);
    }
  }

  private void take(WatchEvent event) {
    if (event instanceof WatchEvent.Full full) {
      Document document = full.document();
      store(new ReplicaChange(document.id(), document.value(), document.position(), null));
    } else if (event instanceof WatchEvent.Changed changed) {
      apply(changed.delta());
    } else if (event instanceof WatchEvent.Deleted deleted) {
      documents.remove(deleted.id());
      tell(listener -> listener.changed(new ReplicaChange(deleted.id(), null, null, null)));
    } else if (event instanceof WatchEvent.CaughtUp) {
      live = true;
      ready.complete(null);
      tell(ReplicaListener::caughtUp);
    }
  }

  private void apply(Delta delta) {
    try {
      store(new ReplicaChange(delta.id(), delta.applyTo(get(delta.id())), delta.to(), delta.changes()));
    } catch (DeltaMismatchException e) {
      watch.resync(delta.id());
    }
  }

  private void store(ReplicaChange change) {
    documents.put(change.id(), new Held(change.value(), change.position()));
    tell(listener -> listener.changed(change));
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
        System.getLogger(Replica.class.getName()).log(System.Logger.Level.ERROR, "a listener threw", e);
      }
    }
  }
}
