package dev.chord;

import java.util.List;

/**
 * A part of a context's history, oldest first.
 *
 * @param head where the context stands now
 * @param truncated deltas right after the version asked for are no longer kept: the list begins later
 */
public record DeltaPage(List<Delta> deltas, Position head, boolean truncated) {}
