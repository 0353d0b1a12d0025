package dev.chord;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** From a document and the changes of a delta to the next document. */
final class Application {
  /** What may be written to, by the unmodifiable view of it that the new document has: each container on a changed path is copied once. */
  private final Map<Object, Object> own = new IdentityHashMap<>();
  private final Map<String, @Nullable Object> root;

  private Application(Map<String, @Nullable Object> document) {
    root = new LinkedHashMap<>(document);
  }

  static Map<String, @Nullable Object> apply(List<Change> changes, Map<String, @Nullable Object> document) {
    if (changes.isEmpty()) return document;
    Application application = new Application(document);
    for (Change change : changes) application.apply(change);
    return Collections.unmodifiableMap(application.root);
  }

  private void apply(Change change) {
    List<String> path = change.path();
    if (path.isEmpty()) throw new DeltaMismatchException(path, "a path needs a key");
    Map<String, @Nullable Object> parent = root;
    for (String step : path.subList(0, path.size() - 1)) parent = child(parent, step, path);
    String key = path.get(path.size() - 1);
    if (parent.containsKey(key) == change instanceof Change.Added) {
      throw new DeltaMismatchException(path, parent.containsKey(key) ? "is there already" : "is not there");
    }
    if (change instanceof Change.Added added) {
      parent.put(key, added.value());
    } else if (change instanceof Change.Modified modified) {
      parent.put(key, modified.value());
    } else if (change instanceof Change.Removed) {
      parent.remove(key);
    } else if (change instanceof Change.Spliced spliced) {
      parent.put(key, splice(parent.get(key), spliced));
    } else if (change instanceof Change.TextSpliced spliced) {
      parent.put(key, splice(parent.get(key), spliced));
    } else {
      throw new DeltaMismatchException(path, "a change of an unknown kind");
    }
  }

  private Map<String, @Nullable Object> child(Map<String, @Nullable Object> parent, String key, List<String> path) {
    if (!(parent.get(key) instanceof Map<?, ?> child)) throw new DeltaMismatchException(path, "no object at " + key);
    @SuppressWarnings("unchecked") // documents have no other maps
    Map<String, @Nullable Object> mine = (Map<String, @Nullable Object>) own.get(child);
    if (mine != null) return mine;
    @SuppressWarnings("unchecked") // likewise
    Map<String, @Nullable Object> copy = new LinkedHashMap<>((Map<String, @Nullable Object>) child);
    Map<String, @Nullable Object> view = Collections.unmodifiableMap(copy);
    own.put(view, copy);
    parent.put(key, view);
    return copy;
  }

  private Object splice(@Nullable Object value, Change.Spliced change) {
    if (!(value instanceof List<?> list)) throw new DeltaMismatchException(change.path(), "is not a list");
    long end = change.index() + change.removedCount();
    if (end > list.size()) {
      throw new DeltaMismatchException(change.path(), "ends at " + end + " of " + list.size() + " elements");
    }
    @SuppressWarnings("unchecked") // made below
    List<@Nullable Object> mine = (List<@Nullable Object>) own.get(list);
    List<@Nullable Object> copy = mine != null ? mine : new ArrayList<>(list);
    List<@Nullable Object> place = copy.subList((int) change.index(), (int) end);
    place.clear();
    place.addAll(change.inserted());
    if (mine != null) return list;
    List<@Nullable Object> view = Collections.unmodifiableList(copy);
    own.put(view, copy);
    return view;
  }

  private String splice(@Nullable Object value, Change.TextSpliced change) {
    if (!(value instanceof String text)) throw new DeltaMismatchException(change.path(), "is not a string");
    long end = change.index() + change.removedCount();
    int points = text.codePointCount(0, text.length());
    if (end > points) {
      throw new DeltaMismatchException(change.path(), "ends at " + end + " of " + points + " code points");
    }
    int from = text.offsetByCodePoints(0, (int) change.index());
    int to = text.offsetByCodePoints(from, (int) change.removedCount());
    return new StringBuilder(text.length() + change.inserted().length())
        .append(text, 0, from)
        .append(change.inserted())
        .append(text, to, text.length())
        .toString();
  }
}
