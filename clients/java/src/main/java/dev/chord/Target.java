package dev.chord;

import java.util.List;

/**
 * What to watch: one context, or all whose ids begin with a prefix, those still to be created included.
 *
 * @param name an id or a prefix; the empty prefix is every context
 * @param paths only these parts of the documents; empty: all of them. Where several targets cover a context, the union
 */
public record Target(String name, boolean isPrefix, List<List<String>> paths) {
  /** Copies the paths. */
  public Target {
    paths = paths.stream().map(List::copyOf).toList();
  }

  /** Of whole documents. */
  public Target(String name, boolean isPrefix) {
    this(name, isPrefix, List.of());
  }

  /** One context. */
  public static Target id(String id) {
    return new Target(id, false);
  }

  /** All contexts whose ids begin so. */
  public static Target prefix(String prefix) {
    return new Target(prefix, true);
  }

  /**
   * The same, of these parts of the documents alone. A watch that begins at known positions must have had the same paths before:
   * no delta has what was left out.
   */
  public Target only(List<List<String>> paths) {
    return new Target(name, isPrefix, paths);
  }

  boolean covers(String id) {
    return isPrefix ? id.startsWith(name) : id.equals(name);
  }
}
