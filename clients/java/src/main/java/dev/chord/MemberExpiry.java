package dev.chord;

import java.time.Instant;
import java.util.List;

/**
 * When a member of a document removes itself, unless it is set or touched before.
 *
 * @param path object keys from the root
 */
public record MemberExpiry(List<String> path, Instant expiresAt) {}
