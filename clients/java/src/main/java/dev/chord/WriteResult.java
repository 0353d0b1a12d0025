package dev.chord;

import org.jspecify.annotations.Nullable;

/**
 * What a set, an update, a revert, or a write of a batch did.
 *
 * @param position where the context stands then; of a delete in a batch where it stood last, null where it was missing
 * @param changed false: the document was like this already
 * @param document null where it was not asked for; of a touch in a batch without its value, null where the batch is a repeat
 * @param delta null where it was not asked for, or nothing changed
 */
public record WriteResult(
    @Nullable Position position, boolean changed, @Nullable Document document, @Nullable Delta delta) {}
