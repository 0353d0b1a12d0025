package dev.chord;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The ordered changes that lead from one position of a context to a later one.
 *
 * @param provenance null where nothing is known, or the delta is of several versions that have nothing in common
 * @param formatted the changes in the format that was asked for, in place of {@code changes}; null where none was
 * @param inexpressible why that format cannot express the changes: read the document. Null where it can
 */
public record Delta(
    String id,
    Position from,
    Position to,
    List<Change> changes,
    @Nullable Instant updatedAt,
    @Nullable Provenance provenance,
    @Nullable Object formatted,
    @Nullable String inexpressible) {
  /**
   * A new document, which shares with the old one whatever did not change; the old one stays as it is.
   *
   * @throws DeltaMismatchException where a change does not fit, or the changes came in another format
   */
  public Map<String, @Nullable Object> applyTo(Map<String, @Nullable Object> document) {
    if (formatted != null || inexpressible != null) {
      throw new DeltaMismatchException(List.of(), "the changes came in another format");
    }
    return Application.apply(changes, document);
  }
}
