package dev.chord;

import org.jspecify.annotations.Nullable;

/**
 * What a delete did.
 *
 * @param position where the context stood last; null: it was missing
 * @param changed false: it was missing
 */
public record DeleteResult(@Nullable Position position, boolean changed) {}
