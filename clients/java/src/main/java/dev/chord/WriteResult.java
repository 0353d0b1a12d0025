package dev.chord;

/**
 * What a set or an update did.
 *
 * @param changed false: the document was like this already
 * @param document null where it was not asked for
 * @param delta null where it was not asked for, or nothing changed
 */
public record WriteResult(Position position, boolean changed, Document document, Delta delta) {}
