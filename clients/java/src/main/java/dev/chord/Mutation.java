package dev.chord;

import dev.chord.v1.ListSplice;
import dev.chord.v1.ListValues;
import dev.chord.v1.TextEdit;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One change to ask for, at a path: object keys from the root, never empty. Missing objects on the way are created.
 * Values are copied, and checked: what is not JSON throws {@link ChordException}, INVALID_ARGUMENT.
 */
public final class Mutation {
  final dev.chord.v1.Mutation message;

  private Mutation(List<String> path, dev.chord.v1.Mutation.Builder builder) {
    path.forEach(key -> builder.addPath(Values.text("path", key)));
    message = builder.build();
  }

  /** Stores a value, null included, in place of whatever is there. */
  public static Mutation set(List<String> path, @Nullable Object value) {
    return new Mutation(path, builder().setSet(Values.toValue("set", value)));
  }

  /**
   * Stores a value that removes itself when this time has passed, unless it is set or touched again.
   *
   * @param ttl 1 s to 365 days
   */
  public static Mutation set(List<String> path, @Nullable Object value, Duration ttl) {
    return new Mutation(
        path, builder().setSet(Values.toValue("set", value)).setTtl(Conversion.toDuration(ttl)));
  }

  /** Removes a member; nothing happens where it is missing. */
  public static Mutation remove(List<String> path) {
    return new Mutation(path, builder().setRemove(true));
  }

  /** Adds to a number; a missing member counts as 0. */
  public static Mutation increment(List<String> path, double by) {
    return new Mutation(path, builder().setIncrement(Values.toValue("increment", by).getNumberValue()));
  }

  /** Adds elements at the end of a list; a missing member counts as the empty list. */
  public static Mutation append(List<String> path, List<?> elements) {
    ListValues values = ListValues.newBuilder().addAllValues(Values.toValues("append", elements)).build();
    return new Mutation(path, builder().setAppend(values));
  }

  /** In a list, removes elements at an index, then inserts others there. */
  public static Mutation splice(List<String> path, int index, int removeCount, List<?> insert) {
    if (index < 0 || removeCount < 0) throw Errors.unsendable("splice", "index and removeCount start at 0");
    ListSplice.Builder splice = ListSplice.newBuilder().setIndex(index).setRemoveCount(removeCount);
    return new Mutation(path, builder().setSplice(splice.addAllInsert(Values.toValues("splice", insert))));
  }

  /** Adds text at the end of a string; a missing member counts as the empty string. */
  public static Mutation appendText(List<String> path, String text) {
    return new Mutation(path, builder().setAppendText(Values.text("append_text", text)));
  }

  /** In a string, removes text at an index, then inserts another one there. Index and count are in code points. */
  public static Mutation spliceText(List<String> path, int index, int removeCount, String insert) {
    if (index < 0 || removeCount < 0) throw Errors.unsendable("splice_text", "index and removeCount start at 0");
    TextEdit.Builder edit = TextEdit.newBuilder().setIndex(index).setRemoveCount(removeCount);
    return new Mutation(path, builder().setSpliceText(edit.setInsert(Values.text("splice_text.insert", insert))));
  }

  private static dev.chord.v1.Mutation.Builder builder() {
    return dev.chord.v1.Mutation.newBuilder();
  }
}
