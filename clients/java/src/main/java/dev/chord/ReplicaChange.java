package dev.chord;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One change of a {@link Replica}.
 *
 * @param value null: the context is gone
 * @param position null: the context is gone
 * @param changes from the former value to this one; null where the whole document came, or went
 */
public record ReplicaChange(
    String id,
    @Nullable Map<String, @Nullable Object> value,
    @Nullable Position position,
    @Nullable List<Change> changes) {}
