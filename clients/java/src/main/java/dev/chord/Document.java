package dev.chord;

import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A context: a named JSON document, and where it stands.
 *
 * @param value strings, doubles, booleans, null, and unmodifiable lists and maps; null in answers that were not asked for values
 * @param expiresAt null: lives until it is deleted
 * @param expiries the members that expire, in the order of their paths; empty in answers that were not asked for them
 */
public record Document(
    String id,
    @Nullable Map<String, @Nullable Object> value,
    Position position,
    @Nullable Instant createdAt,
    @Nullable Instant updatedAt,
    @Nullable Instant expiresAt,
    List<MemberExpiry> expiries) {
  Document withExpiries(List<MemberExpiry> expiries) {
    return new Document(id, value, position, createdAt, updatedAt, expiresAt, expiries);
  }

  /** A copy of the value, at all levels, to be changed: for {@link ChordClient#set}. */
  public Map<String, @Nullable Object> copy() {
    return Values.copy(whole());
  }

  /**
   * The value as an object of the program's own.
   *
   * @throws ChordException INVALID_ARGUMENT where it is none; the violation's field is the path inside the document
   */
  public <T> T as(Class<T> type, DocumentMapper mapper) {
    return mapper.fromDocument(whole(), type);
  }

  /** The value, of an answer that has one. */
  Map<String, @Nullable Object> whole() {
    return Objects.requireNonNull(value, "the answer was not asked for the value");
  }
}
