package dev.chord;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Between documents and objects of the program's own, records for example: by Jackson, Gson or code of the program.
 *
 * <p>What it cannot map it refuses with {@link #refusal}, which names the path inside the document.
 */
public interface DocumentMapper {
  /** @param document null, booleans, doubles, strings, lists and maps; not to be changed */
  <T> T fromDocument(Map<String, @Nullable Object> document, Class<T> type);

  /** @return null, booleans, numbers, strings, lists and maps */
  Map<String, @Nullable Object> toDocument(Object value);

  /**
   * An INVALID_ARGUMENT to throw.
   *
   * @param path inside the document, as {@code .members[2].name}; empty: all of it
   */
  static ChordException refusal(String path, String problem) {
    return Errors.unsendable("value" + path, problem);
  }
}
