package dev.chord;

import java.util.List;

/**
 * A part of a document, in the order of the paths.
 *
 * @param position the version that the lines of all pages are of
 * @param olderThan lines without a version are older than this one, whose deltas are no longer kept, or too many; 0: each line has
 *     its version
 */
public record BlamePage(List<BlameLine> lines, Position position, long olderThan) {}
