package dev.chord;

/**
 * What a delete did.
 *
 * @param position where the context stood last; null: it was missing
 * @param changed false: it was missing
 */
public record DeleteResult(Position position, boolean changed) {}
