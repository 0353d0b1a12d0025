package dev.chord;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** What leads from one document to another, at the deepest paths at which both have objects. */
final class Differences {
  private final List<Mutation> mutations = new ArrayList<>();

  private Differences() {}

  /** Both as they come from a server; in the order of the paths. */
  static List<Mutation> between(Map<String, @Nullable Object> before, Map<String, @Nullable Object> after) {
    Differences differences = new Differences();
    differences.find(before, after, List.of());
    return differences.mutations;
  }

  private void find(Map<?, ?> before, Map<?, ?> after, List<String> path) {
    TreeSet<Object> keys = new TreeSet<>(before.keySet());
    keys.addAll(after.keySet());
    for (Object key : keys) {
      List<String> member = new ArrayList<>(path);
      member.add((String) key);
      Object old = before.get(key);
      Object value = after.get(key);
      if (!after.containsKey(key)) mutations.add(Mutation.remove(member));
      else if (old instanceof Map<?, ?> oldMap && value instanceof Map<?, ?> map) find(oldMap, map, member);
      // Double.equals tells 0 and -0 apart.
      else if (!before.containsKey(key) || !Objects.equals(old, value)) mutations.add(Mutation.set(member, value));
    }
  }
}
