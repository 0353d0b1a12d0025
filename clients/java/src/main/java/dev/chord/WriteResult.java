package dev.chord;

import org.jspecify.annotations.Nullable;

/**
 * What a set, an update, a revert or an edit did. Of a batch: {@link Write.Result}.
 *
 * @param position where the context stands then
 * @param changed false: the document was like this already
 * @param document null where it was not asked for
 * @param delta null where it was not asked for, or nothing changed
 */
public record WriteResult(Position position, boolean changed, @Nullable Document document, @Nullable Delta delta) {}
