package dev.chord;

import java.time.Duration;

/**
 * Hears of a {@link Replica}, from one thread, in the order of what happened. It must not block for long. One that
 * throws ends nothing: {@link #failed} hears of it.
 */
@FunctionalInterface
public interface ReplicaListener {
  /** After the replica has changed. */
  void changed(ReplicaChange change);

  /** Everything that existed has come: at first, and after each new connection. */
  default void caughtUp() {}

  /** The connection broke, and is tried again after this long; the copy is as it was. */
  default void disconnected(ChordException error, Duration delay) {}

  /** The replica cannot go on ({@link ChordException}), or a listener threw. Default: the system's log. */
  default void failed(Throwable error) {
    System.getLogger(Replica.class.getName()).log(System.Logger.Level.ERROR, "replica", error);
  }
}
