package dev.chord;

/**
 * What to watch: one context, or all whose ids begin with a prefix, those still to be created included.
 *
 * @param name an id or a prefix; the empty prefix is every context
 */
public record Target(String name, boolean isPrefix) {
  public static Target id(String id) {
    return new Target(id, false);
  }

  public static Target prefix(String prefix) {
    return new Target(prefix, true);
  }

  boolean covers(String id) {
    return isPrefix ? id.startsWith(name) : id.equals(name);
  }
}
