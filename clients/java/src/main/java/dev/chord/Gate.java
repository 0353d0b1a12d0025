package dev.chord;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.BooleanSupplier;

/** Bounds what is under way at once; the others wait in their order, without a thread. */
final class Gate {
  private final Deque<BooleanSupplier> waiting = new ArrayDeque<>();
  private int free;

  Gate(int places) {
    free = places;
  }

  /**
   * Runs this now or later. What was run must {@link #leave} once.
   *
   * @param entry false: its place is not needed any more
   */
  void enter(BooleanSupplier entry) {
    synchronized (this) {
      if (free == 0) {
        waiting.add(entry);
        return;
      }
      free--;
    }
    if (!entry.getAsBoolean()) leave();
  }

  void leave() {
    while (true) {
      BooleanSupplier next;
      synchronized (this) {
        next = waiting.poll();
        if (next == null) {
          free++;
          return;
        }
      }
      if (next.getAsBoolean()) return;
    }
  }
}
