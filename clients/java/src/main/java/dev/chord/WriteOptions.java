package dev.chord;

import dev.chord.v1.Expected;
import dev.chord.v1.ReturnOptions;
import dev.chord.v1.Unchanged;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * What the options of all writes have in common. Each write has a type of its own, with the options that it takes:
 * {@link SetOptions}, {@link UpdateOptions}, {@link RevertOptions}, {@link DeleteOptions}; and those of {@link Write}, in a batch.
 */
public abstract class WriteOptions {
  final @Nullable Expected expected;
  final Map<String, String> annotations;

  // What only some writes have stays at its default in the others.
  final @Nullable Duration ttl;
  final ReturnOptions returning;
  final boolean allowMissing;
  final @Nullable String requestId;
  final @Nullable Duration deadline;

  WriteOptions(Builder<?> builder) {
    expected = builder.expected == null ? null : builder.expected.build();
    annotations = builder.annotations;
    ttl = builder.ttl;
    returning = builder.returning.build();
    allowMissing = builder.allowMissing;
    requestId = builder.requestId;
    deadline = builder.deadline;
  }

  /** What a request is named: as the caller does, or at random. */
  static String name(@Nullable String requestId) {
    return requestId != null ? requestId : UUID.randomUUID().toString();
  }

  /** @throws ChordException INVALID_ARGUMENT for a name that cannot be sent; an empty one would leave the request without a name */
  static String checkedName(String requestId) {
    if (requestId.isEmpty()) throw Errors.unsendable("request_id", "is empty");
    return Values.text("request_id", requestId);
  }

  /**
   * Collects what all writes have: conditions and annotations. Of {@code ifPosition}, {@code ifVersion}, {@code ifAbsent} and
   * {@code ifUnchanged} the last one counts; {@code ifChecks} come beside it.
   *
   * @param <B> the builder itself
   */
  public abstract static class Builder<B extends Builder<B>> {
    /** Null: nothing is expected. */
    private Expected.@Nullable Builder expected;
    private Map<String, String> annotations = Map.of();
    @Nullable Duration ttl;
    final ReturnOptions.Builder returning = ReturnOptions.newBuilder();
    boolean allowMissing;
    @Nullable String requestId;
    @Nullable Duration deadline;

    Builder() {}

    abstract B self();

    /** Only where the context stands exactly here. Else ABORTED, with {@link ChordException#mismatch}. */
    public B ifPosition(Position position) {
      expected().setPosition(Conversion.toPosition(position));
      return self();
    }

    /** Only where the context has this version, whatever its epoch. */
    public B ifVersion(long version) {
      expected().setVersion(version);
      return self();
    }

    /** Only where the context does not exist. */
    public B ifAbsent() {
      expected().setAbsent(true);
      return self();
    }

    /**
     * Only where no version after {@code since} touched one of the paths, one above or one below it. Else
     * {@link UnmetConditionsException}. Splices of the same write name places of the lists and strings at {@code since}, and an
     * overlap with later splices is a conflict; without paths nothing else is guarded.
     */
    public B ifUnchanged(Position since, List<List<String>> paths) {
      expected().setUnchanged(Unchanged.newBuilder()
          .setSince(Conversion.toPosition(since))
          .addAllPaths(Conditions.toPaths("expected.unchanged.paths", paths)));
      return self();
    }

    /**
     * Only where all checks hold on the document that the write meets, before its own changes. Else
     * {@link UnmetConditionsException}. Given more than once, all hold.
     */
    public B ifChecks(Check... checks) {
      if (checks.length > 0) expected().addAllChecks(Conditions.toChecks("expected.checks", List.of(checks)));
      return self();
    }

    private Expected.Builder expected() {
      if (expected == null) expected = Expected.newBuilder();
      return expected;
    }

    /** Kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a delete, in the audit log alone. */
    public B annotations(Map<String, String> annotations) {
      annotations.forEach((key, value) -> {
        Values.text("annotations", key);
        Values.text("annotations", value);
      });
      this.annotations = Map.copyOf(annotations);
      return self();
    }
  }

  /**
   * Collects what writes that leave a document have beside that: a time to live, and what they answer.
   *
   * @param <B> the builder itself
   */
  public abstract static class StoringBuilder<B extends StoringBuilder<B>> extends Builder<B> {
    StoringBuilder() {}

    /** From now on, renewed by each write and touch; zero: until it is deleted. Default: as before. */
    public B ttl(Duration ttl) {
      this.ttl = ttl;
      return self();
    }

    /** Answer with the document as it is after this write. */
    public B returnDocument() {
      returning.setContext(true);
      return self();
    }

    /** Answer with the delta of this write. */
    public B returnDelta() {
      returning.setDelta(true);
      return self();
    }

    /** Answer with the delta of this write and its old values. */
    public B returnOldValues() {
      returning.setDelta(true).setOldValues(true);
      return self();
    }

    /** Answer with the delta of this write in a format: see {@link SyncOptions.Builder#format}. */
    public B returnFormat(String format) {
      returning.setDelta(true).setFormat(Values.text("returning.format", format));
      return self();
    }
  }
}
