package dev.chord;

import java.time.Instant;
import java.util.Map;

/**
 * A context: a named JSON document, and where it stands.
 *
 * @param value strings, doubles, booleans, null, lists and maps; null in answers that were not asked for values
 * @param expiresAt null: lives until it is deleted
 */
public record Document(
    String id, Map<String, Object> value, Position position, Instant createdAt, Instant updatedAt, Instant expiresAt) {
  /**
   * The value as an object of the program's own.
   *
   * @throws ChordException INVALID_ARGUMENT where it is none; the violation's field is the path inside the document
   */
  public <T> T as(Class<T> type, DocumentMapper mapper) {
    return mapper.fromDocument(value, type);
  }
}
