package dev.chord;

import dev.chord.v1.Write.Builder;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One write of a batch: see {@link ChordClient#batch(List, WriteOptions)}. The options are those of the single calls, but
 * {@code requestId} and {@code deadline}, which belong to the batch.
 */
public final class Write {
  final String kind;

  /** Throws {@link ChordException} for what cannot be sent. */
  final Supplier<dev.chord.v1.Write> message;

  private Write(String kind, Supplier<Builder> message) {
    this.kind = kind;
    this.message = () -> message.get().build();
  }

  /** Creates a context, or replaces its document. */
  public static Write set(String id, Map<String, ?> value) {
    return set(id, value, WriteOptions.NONE);
  }

  /** Creates a context, or replaces its document, with options. */
  public static Write set(String id, Map<String, ?> value, WriteOptions options) {
    return new Write("set", () -> builder()
        .setSet(Requests.set(id, value, options.inBatch()).toBuilder().clearRequestId()));
  }

  /** Changes parts of a document. */
  public static Write update(String id, Edit edit) {
    return update(id, edit, WriteOptions.NONE);
  }

  /** Changes parts of a document, with options. */
  public static Write update(String id, Edit edit, WriteOptions options) {
    return new Write("update", () -> builder()
        .setUpdate(Requests.update(id, edit, options.inBatch()).toBuilder().clearRequestId()));
  }

  /** Writes the document of an earlier version. */
  public static Write revert(String id, long version) {
    return revert(id, version, WriteOptions.NONE);
  }

  /** Writes the document of an earlier version, with options. */
  public static Write revert(String id, long version, WriteOptions options) {
    return new Write("revert", () -> builder()
        .setRevert(Requests.revert(id, version, options.inBatch()).toBuilder().clearRequestId()));
  }

  /** Removes a context with its deltas. */
  public static Write delete(String id) {
    return delete(id, WriteOptions.NONE);
  }

  /** Removes a context with its deltas, with options. */
  public static Write delete(String id, WriteOptions options) {
    return new Write("delete", () -> builder()
        .setDelete(Requests.delete(id, options.inBatch()).toBuilder().clearRequestId()));
  }

  /**
   * Renews the time to live of a context.
   *
   * @param ttl null: the present one begins again; zero: until it is deleted
   */
  public static Write touch(String id, @Nullable Duration ttl) {
    return touch(id, List.of(), ttl);
  }

  /** Of these members, and not of the context: see {@link ChordClient#touch(String, List, Duration, ReadOptions)}. */
  public static Write touch(String id, List<List<String>> paths, @Nullable Duration ttl) {
    return new Write("touch", () -> builder().setTouch(Requests.touch(id, paths, ttl, ReadOptions.NONE)));
  }

  private static Builder builder() {
    return dev.chord.v1.Write.newBuilder();
  }
}
