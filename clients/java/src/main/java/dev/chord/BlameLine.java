package dev.chord;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A leaf of a document, and the version that made it what it is. A list or a string has a line for each run of elements or code
 * points that one version made.
 *
 * @param path object keys from the root; empty for the document itself, where it is empty
 * @param run which elements or code points, of a list or a string that is not empty; else null
 * @param value the value, or these elements or this text of it
 * @param version 0: an older one than {@link BlamePage#olderThan}
 * @param updatedAt when that version was written; null where it is not known
 * @param provenance null where nothing is known
 */
public record BlameLine(
    List<String> path,
    @Nullable Run run,
    @Nullable Object value,
    long version,
    @Nullable Instant updatedAt,
    @Nullable Provenance provenance) {
  /** A part of a list (elements) or of a string (code points). */
  public record Run(long index, long count) {}
}
