package dev.chord;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What an update does: changes first, mutations next, in order; all or nothing.
 *
 * @param changes deep-merged: objects member by member, everything else replaces, null stores null; null: none
 */
public record Edit(@Nullable Map<String, ?> changes, List<Mutation> mutations) {
  /** Copies the mutations. */
  public Edit {
    mutations = List.copyOf(mutations);
  }

  /** Deep-merges changes: objects member by member; everything else replaces. */
  public static Edit merge(Map<String, ?> changes) {
    return new Edit(changes, List.of());
  }

  /** Applies mutations, in order. */
  public static Edit of(Mutation... mutations) {
    return new Edit(null, List.of(mutations));
  }

  /** This, and further mutations. */
  public Edit and(Mutation... mutations) {
    List<Mutation> all = new ArrayList<>(this.mutations);
    all.addAll(List.of(mutations));
    return new Edit(changes, all);
  }
}
