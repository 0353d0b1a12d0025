package dev.chord;

import java.util.Map;

/**
 * Where a version comes from.
 *
 * @param expired the time to live of members ended, and no client wrote the version
 * @param author the identity that authentication gave; empty: none
 * @param annotations what the write gave
 */
public record Provenance(boolean expired, String author, Map<String, String> annotations) {}
