package dev.chord;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How calls are tried again, and how watches connect again.
 *
 * @param attempts tries of one call; 1: none is repeated
 * @param attemptTimeout for one try
 * @param backoffMin the wait doubles with each failure in a row, from here ...
 * @param backoffMax ... to here
 */
public record RetryPolicy(int attempts, Duration attemptTimeout, Duration backoffMin, Duration backoffMax) {
  /** 10 attempts of at most 3 s; 100 ms to 10 s between them. */
  public static final RetryPolicy DEFAULT =
      new RetryPolicy(10, Duration.ofSeconds(3), Duration.ofMillis(100), Duration.ofSeconds(10));

  /** @throws IllegalArgumentException for no attempts, no time for one, or a backoff that is negative or ends below its begin */
  public RetryPolicy {
    if (attempts < 1) throw new IllegalArgumentException("attempts: at least 1");
    if (attemptTimeout.isNegative() || attemptTimeout.isZero()) {
      throw new IllegalArgumentException("attemptTimeout: above zero");
    }
    if (backoffMin.isNegative() || backoffMin.compareTo(backoffMax) > 0) {
      throw new IllegalArgumentException("backoffMin: from zero to backoffMax");
    }
  }

  /** The same with another number of tries. */
  public RetryPolicy withAttempts(int attempts) {
    return new RetryPolicy(attempts, attemptTimeout, backoffMin, backoffMax);
  }

  /** The same with another time for one try. */
  public RetryPolicy withAttemptTimeout(Duration attemptTimeout) {
    return new RetryPolicy(attempts, attemptTimeout, backoffMin, backoffMax);
  }

  /** The same with other waits between tries. */
  public RetryPolicy withBackoff(Duration min, Duration max) {
    return new RetryPolicy(attempts, attemptTimeout, min, max);
  }

  /** The wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once. */
  Duration backoff(int failures) {
    double whole = Math.min(Time.nanos(backoffMax), Time.nanos(backoffMin) * Math.pow(2, failures));
    return Duration.ofNanos((long) (whole * (0.5 + ThreadLocalRandom.current().nextDouble() / 2)));
  }
}
