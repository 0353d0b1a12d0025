package dev.chord;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Durations against {@link System#nanoTime}. */
final class Time {
  /** So long that it never ends; and added to now, it does not overflow. */
  static final long FOREVER = Long.MAX_VALUE / 2;

  /** The longest time that gRPC's timers hold everywhere, 2^31 ms, less some: longer ones would end at once on some servers. */
  static final long TIMEOUT_MAX = TimeUnit.DAYS.toNanos(24);

  private Time() {}

  static long nanos(Duration duration) {
    return Math.min(FOREVER, TimeUnit.NANOSECONDS.convert(duration));
  }

  /** Runs this later, on another thread. To cancel the answer is to remove the timer, which else holds what it is to run. */
  static CompletableFuture<?> after(long nanos, Runnable run) {
    CompletableFuture<Boolean> timer = new CompletableFuture<Boolean>().completeOnTimeout(true, nanos, TimeUnit.NANOSECONDS);
    timer.thenRunAsync(run);
    return timer;
  }

  static Duration min(Duration a, Duration b) {
    return a.compareTo(b) <= 0 ? a : b;
  }

  /** The second may be null. */
  static Duration max(Duration a, @Nullable Duration b) {
    return b == null || a.compareTo(b) >= 0 ? a : b;
  }
}
