package dev.chord;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A member of a context that is there as long as this process keeps it there: who is in a room, which worker holds a job.
 * Made by {@link ChordClient#presence}; close it when done.
 */
public final class Presence implements AutoCloseable {
  private final ChordClient client;
  private final String id;
  private final List<String> path;
  private final Duration ttl;
  private final Consumer<ChordException> onError;
  private final Consumer<Presence> onClose;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final Thread thread;
  /** Held while a value is written: the one that is set last is the one that is there. */
  private final ReentrantLock turn = new ReentrantLock(true);
  private @Nullable Object value;

  Presence(
      ChordClient client,
      String id,
      List<String> path,
      @Nullable Object value,
      Duration ttl,
      Consumer<ChordException> onError,
      Consumer<Presence> onClose) {
    this.client = client;
    this.id = id;
    this.path = List.copyOf(path);
    this.ttl = ttl;
    this.onError = onError;
    this.onClose = onClose;
    set(value);
    thread = new Thread(this::run, "chord-presence");
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Sets another value, which also renews the member. Of several at the same time, one waits for the other.
   *
   * @throws ChordException CANCELLED after {@link #close}, or where the thread is interrupted
   */
  public void set(@Nullable Object value) {
    inTurn(() -> {
      if (isClosing()) throw Errors.cancelled("the presence is closed", null);
      this.value = value;
      write();
    });
  }

  private void inTurn(Runnable write) {
    try {
      turn.lockInterruptibly();
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
      throw Errors.cancelled("interrupted while waiting for another write of the presence", error);
    }
    try {
      write.run();
    } finally {
      turn.unlock();
    }
  }

  private void write() {
    client.update(
        id, Edit.of(Mutation.set(path, value, ttl)), UpdateOptions.builder().allowMissing().build());
  }

  /** Ends the renewals and removes the member. Where the removal fails, the member expires. A second one does nothing. */
  @Override
  public void close() {
    end();
    if (Thread.currentThread() == thread) return; // called by onError: the removal follows
    try {
      thread.join();
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }

  /** Begins to close: the thread of the presence makes the removal. */
  void end() {
    closing.countDown();
  }

  private boolean isClosing() {
    return closing.getCount() == 0;
  }

  private void run() {
    try {
      while (!closing.await(untilRenewal(), TimeUnit.MILLISECONDS)) {
        try {
          renew();
        } catch (ChordException error) {
          if (client.isClosed()) return; // while the presence was opened
          if (!isClosing()) report(error);
        }
      }
      remove();
    } catch (InterruptedException error) {
      // Nothing else interrupts this thread: it ends, and the member expires.
      Thread.currentThread().interrupt();
    } finally {
      onClose.accept(this);
    }
  }

  private void remove() {
    UpdateOptions within = UpdateOptions.builder().deadline(ttl).build();
    try {
      inTurn(() -> client.update(id, Edit.of(Mutation.remove(path)), within));
    } catch (ChordException error) {
      if (!hasGone(error)) report(error);
    }
  }

  /** What {@code onError} throws ends nothing: the member would expire. */
  private void report(ChordException error) {
    try {
      onError.accept(error);
    } catch (RuntimeException | Error e) {
      client.error("onError of a presence threw", e);
    }
  }

  /** Random, so that those that began together do not stay together. */
  private long untilRenewal() {
    return (long) (ttl.toMillis() / 3.0 * ThreadLocalRandom.current().nextDouble(0.8, 1.2));
  }

  private void renew() {
    try {
      client.touch(id, List.of(path), null, TouchOptions.builder().deadline(ttl).build());
    } catch (ChordException error) {
      if (!hasGone(error)) throw error;
      inTurn(() -> {
        if (!isClosing()) write();
      });
    }
  }

  /** Whether the member must be set again: it has expired, or its context is gone. */
  private static boolean hasGone(ChordException error) {
    return error.reason().equals("FAILED_PRECONDITION") || error.reason().equals("NOT_FOUND");
  }
}
