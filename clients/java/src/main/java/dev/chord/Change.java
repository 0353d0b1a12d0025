package dev.chord;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What happened at one path of a document. Paths are object keys from the root, never empty. Old values are there only
 * where they were asked for.
 */
public sealed interface Change {
  /** Object keys from the root. */
  List<String> path();

  /** The value is new: a whole subtree is one change. */
  record Added(List<String> path, @Nullable Object value) implements Change {}

  /** @param hasOld whether {@code old} was sent; it may be null as a value */
  record Modified(List<String> path, @Nullable Object value, boolean hasOld, @Nullable Object old)
      implements Change {}

  /** @param hasOld whether {@code old} was sent; it may be null as a value */
  record Removed(List<String> path, boolean hasOld, @Nullable Object old) implements Change {}

  /**
   * In a list, elements at an index gave way to others.
   *
   * @param removed empty where old values were not asked for
   */
  record Spliced(
      List<String> path,
      long index,
      long removedCount,
      List<@Nullable Object> inserted,
      List<@Nullable Object> removed)
      implements Change {}

  /**
   * In a string, text at an index gave way to another one. Index and count are in Unicode code points, not in chars.
   *
   * @param removed empty where old values were not asked for
   */
  record TextSpliced(List<String> path, long index, long removedCount, String inserted, String removed)
      implements Change {}

  /** Of a kind that this client does not know, or incomplete: it applies to no document. */
  record Unknown(List<String> path) implements Change {}
}
