package dev.chord;

import java.util.List;

/** A change that does not fit the document, or a delta in another format. */
public final class DeltaMismatchException extends RuntimeException {
  private static final long serialVersionUID = 1;

  DeltaMismatchException(List<String> path, String what) {
    super(path + ": " + what);
  }
}
