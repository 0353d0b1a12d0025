package dev.chord;

import java.io.Serializable;

/**
 * A point in the history of one context. Keep it and hand it back; never compute one.
 *
 * @param epoch one life of the context: new whenever it is created again
 * @param version counts from 1
 * @param digest tells apart histories of the same version
 */
public record Position(String epoch, long version, String digest) implements Serializable {}
