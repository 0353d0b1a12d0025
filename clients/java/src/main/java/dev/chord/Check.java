package dev.chord;

import java.io.Serializable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A test of the value at a path: a condition of a write ({@link WriteOptions.Builder#ifChecks}), or what
 * {@link ChordClient#waitFor} waits for. Paths are object keys from the root, never empty; each is one key as it stands.
 */
public sealed interface Check extends Serializable {
  /** Object keys from the root. */
  List<String> path();

  /** Holds where the value is equal to this one. */
  static Check equalTo(List<String> path, @Nullable Object value) {
    return new Equal(path, value);
  }

  /** Holds where the path has a value, null included. */
  static Check exists(List<String> path) {
    return new Exists(path);
  }

  /** Holds where the path has no value. */
  static Check missing(List<String> path) {
    return new Missing(path);
  }

  /** Holds where the value is a number of at least the limit. */
  static Check atLeast(List<String> path, double limit) {
    return new AtLeast(path, limit);
  }

  /** Holds where the value is a number of at most the limit. */
  static Check atMost(List<String> path, double limit) {
    return new AtMost(path, limit);
  }

  /** The value is equal to this one. */
  record Equal(List<String> path, @Nullable Object value) implements Check {}

  /** There is a value, null included. */
  record Exists(List<String> path) implements Check {}

  /** There is no value. */
  record Missing(List<String> path) implements Check {}

  /** The value is a number, and at least the limit. */
  record AtLeast(List<String> path, double limit) implements Check {}

  /** The value is a number, and at most the limit. */
  record AtMost(List<String> path, double limit) implements Check {}

  /** Of a newer server, in an error. It cannot be sent. */
  record Unknown(List<String> path) implements Check {}
}
