package dev.chord;

import java.time.Duration;

/**
 * Receives the changes of a {@link Replica}, on one thread, in order. A listener must not block for long. A listener that
 * throws ends nothing: {@link #failed} receives the exception.
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
