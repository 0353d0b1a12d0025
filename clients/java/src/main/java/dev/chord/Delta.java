package dev.chord;

import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * The ordered changes that lead from one position of a context to a later one.
 *
 * @param provenance null where nothing is known, or the delta is of several versions that have nothing in common
 */
public record Delta(
    String id, Position from, Position to, List<Change> changes, Instant updatedAt, Provenance provenance) {
  /**
   * A new document, which shares with the old one whatever did not change; the old one stays as it is.
   *
   * @throws DeltaMismatchException where a change does not fit
   */
  public Map<String, Object> applyTo(Map<String, Object> document) {
    return Application.apply(changes, document);
  }
}
