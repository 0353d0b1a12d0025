package dev.chord;

import java.io.Serializable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A point in the history of one context. Keep it and hand it back; never compute one.
 *
 * @param epoch one life of the context: new whenever it is created again
 * @param version counts from 1
 * @param digest tells apart histories of the same version
 */
public record Position(String epoch, long version, String digest) implements Serializable {
  private static final Pattern TEXT = Pattern.compile("(?:([^:\\s]+):(\\d{1,18}):([^:\\s]+))|(\\d{1,18})");

  /**
   * From {@code EPOCH:VERSION:DIGEST}, as {@link #toString} and the command line write it, or a version alone.
   *
   * @throws IllegalArgumentException for any other text
   */
  public static Position parse(String text) {
    Matcher match = TEXT.matcher(text);
    if (!match.matches()) {
      throw new IllegalArgumentException(
          "expected a position, EPOCH:VERSION:DIGEST or a version, got \"" + text + "\"");
    }
    if (match.group(4) != null) return new Position("", Long.parseLong(match.group(4)), "");
    return new Position(match.group(1), Long.parseLong(match.group(2)), match.group(3));
  }

  /**
   * Whether a copy that stands here has what was written at the other position: the same life of the context, and no
   * earlier version. One without an epoch names a version of any life.
   */
  public boolean reaches(Position other) {
    return (other.epoch.isEmpty() || epoch.equals(other.epoch)) && version >= other.version;
  }

  /** {@code EPOCH:VERSION:DIGEST}; the version alone where there is nothing else. */
  @Override
  public String toString() {
    return epoch.isEmpty() && digest.isEmpty() ? String.valueOf(version) : epoch + ":" + version + ":" + digest;
  }
}
