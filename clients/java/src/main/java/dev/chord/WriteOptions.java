package dev.chord;

import dev.chord.v1.Expected;
import dev.chord.v1.ReturnOptions;
import dev.chord.v1.Unchanged;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** Options of set, update, revert, delete and batch. One that a call does not have is INVALID_ARGUMENT. */
public final class WriteOptions {
  static final WriteOptions NONE = builder().build();

  final @Nullable Expected expected;
  final @Nullable String requestId;
  final Map<String, String> annotations;
  final boolean allowMissing;
  final @Nullable Duration ttl;
  final ReturnOptions returning;
  final @Nullable Duration deadline;

  private WriteOptions(Builder builder) {
    expected = builder.expected == null ? null : builder.expected.build();
    requestId = builder.requestId;
    annotations = builder.annotations;
    allowMissing = builder.allowMissing;
    ttl = builder.ttl;
    returning = builder.returning.build();
    deadline = builder.deadline;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Of the request: that of the caller, or a random one. */
  String name() {
    return requestId != null ? Values.text("request_id", requestId) : UUID.randomUUID().toString();
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  WriteOptions ofSet() {
    if (allowMissing) throw Errors.notApplicable("allowMissing", "set");
    return this;
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  WriteOptions ofRevert() {
    if (allowMissing) throw Errors.notApplicable("allowMissing", "revert");
    return this;
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of its writes */
  WriteOptions ofBatch() {
    if (expected != null) throw Errors.notApplicable("expected", "batch");
    if (allowMissing) throw Errors.notApplicable("allowMissing", "batch");
    if (!annotations.isEmpty()) throw Errors.notApplicable("annotations", "batch");
    if (ttl != null) throw Errors.notApplicable("ttl", "batch");
    if (returning.getContext() || returning.getDelta()) throw Errors.notApplicable("returning", "batch");
    return this;
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of the batch */
  WriteOptions inBatch() {
    if (requestId != null) throw Errors.notApplicable("requestId", "a write of a batch");
    if (deadline != null) throw Errors.notApplicable("deadline", "a write of a batch");
    return this;
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  WriteOptions ofDelete() {
    if (ttl != null) throw Errors.notApplicable("ttl", "delete");
    if (returning.getContext()) throw Errors.notApplicable("returnDocument", "delete");
    if (returning.getDelta()) throw Errors.notApplicable("returnDelta", "delete");
    return this;
  }

  /**
   * Of {@code ifPosition}, {@code ifVersion}, {@code ifAbsent} and {@code ifUnchanged} the last one counts; {@code ifChecks}
   * come beside it.
   */
  public static final class Builder {
    /** Null: nothing is expected. */
    private Expected.@Nullable Builder expected;
    private @Nullable String requestId;
    private Map<String, String> annotations = Map.of();
    private boolean allowMissing;
    private @Nullable Duration ttl;
    private final ReturnOptions.Builder returning = ReturnOptions.newBuilder();
    private @Nullable Duration deadline;

    private Builder() {}

    /** Only where the context stands exactly here. Else ABORTED, with {@link ChordException#mismatch}. */
    public Builder ifPosition(Position position) {
      expected().setPosition(Conversion.toPosition(position));
      return this;
    }

    /** Only where the context has this version, whatever its epoch. */
    public Builder ifVersion(long version) {
      expected().setVersion(version);
      return this;
    }

    /** Only where the context does not exist. */
    public Builder ifAbsent() {
      expected().setAbsent(true);
      return this;
    }

    /**
     * Only where no version after {@code since} touched one of the paths, one above or one below it. Else
     * {@link UnmetConditionsException}. Splices of the same write name places of the lists and strings at {@code since}, and an
     * overlap with later splices is a conflict; without paths nothing else is guarded.
     */
    public Builder ifUnchanged(Position since, List<List<String>> paths) {
      expected().setUnchanged(Unchanged.newBuilder()
          .setSince(Conversion.toPosition(since))
          .addAllPaths(Conditions.toPaths("expected.unchanged.paths", paths)));
      return this;
    }

    /**
     * Only where all checks hold on the document that the write meets, before its own changes. Else
     * {@link UnmetConditionsException}. Given more than once, all hold.
     */
    public Builder ifChecks(Check... checks) {
      if (checks.length == 0) return this;
      expected().addAllChecks(Conditions.toChecks("expected.checks", List.of(checks)));
      return this;
    }

    private Expected.Builder expected() {
      if (expected == null) expected = Expected.newBuilder();
      return expected;
    }

    /** Names this write: a repeat answers what the first one did. Default: a random one, for the tries of one call. */
    public Builder requestId(String requestId) {
      this.requestId = requestId;
      return this;
    }

    /** Kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a delete, in the audit log alone. */
    public Builder annotations(Map<String, String> annotations) {
      annotations.forEach((key, value) -> {
        Values.text("annotations", key);
        Values.text("annotations", value);
      });
      this.annotations = Map.copyOf(annotations);
      return this;
    }

    /** Update: start from {} where the context is missing. Delete: no error then. Not for set. */
    public Builder allowMissing() {
      allowMissing = true;
      return this;
    }

    /** From now on, renewed by each write and touch; zero: until it is deleted. Default: as before. Not for delete. */
    public Builder ttl(Duration ttl) {
      this.ttl = ttl;
      return this;
    }

    /** Answer with the document as it is after this write. Not for delete. */
    public Builder returnDocument() {
      returning.setContext(true);
      return this;
    }

    /** Answer with the delta of this write. Not for delete. */
    public Builder returnDelta() {
      returning.setDelta(true);
      return this;
    }

    /** Answer with the delta of this write and its old values. Not for delete. */
    public Builder returnOldValues() {
      returning.setDelta(true).setOldValues(true);
      return this;
    }

    /** Answer with the delta of this write in a format: see {@link ReadOptions.Builder#format}. Not for delete. */
    public Builder returnFormat(String format) {
      returning.setDelta(true).setFormat(Values.text("returning.format", format));
      return this;
    }

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public WriteOptions build() {
      return new WriteOptions(this);
    }
  }
}
