package dev.chord;

import dev.chord.v1.Expected;
import dev.chord.v1.ReturnOptions;
import java.time.Duration;

/** Options of set, update and delete. One that a call does not have is INVALID_ARGUMENT. */
public final class WriteOptions {
  static final WriteOptions NONE = builder().build();

  final Expected expected;
  final String requestId;
  final boolean allowMissing;
  final Duration ttl;
  final ReturnOptions returning;
  final Duration deadline;

  private WriteOptions(Builder builder) {
    expected = builder.expected;
    requestId = builder.requestId;
    allowMissing = builder.allowMissing;
    ttl = builder.ttl;
    returning = builder.returning.build();
    deadline = builder.deadline;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  WriteOptions ofSet() {
    if (allowMissing) throw Errors.notApplicable("allowMissing", "set");
    return this;
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  WriteOptions ofDelete() {
    if (ttl != null) throw Errors.notApplicable("ttl", "delete");
    if (returning.getContext()) throw Errors.notApplicable("returnDocument", "delete");
    if (returning.getDelta()) throw Errors.notApplicable("returnDelta", "delete");
    return this;
  }

  /** The last of {@code ifPosition}, {@code ifVersion} and {@code ifAbsent} holds. */
  public static final class Builder {
    private Expected expected;
    private String requestId;
    private boolean allowMissing;
    private Duration ttl;
    private final ReturnOptions.Builder returning = ReturnOptions.newBuilder();
    private Duration deadline;

    private Builder() {}

    /** Only where the context stands exactly here. Else ABORTED, with {@link ChordException#mismatch}. */
    public Builder ifPosition(Position position) {
      expected = Expected.newBuilder().setPosition(Conversion.toPosition(position)).build();
      return this;
    }

    /** Only where the context has this version, whatever its epoch. */
    public Builder ifVersion(long version) {
      expected = Expected.newBuilder().setVersion(version).build();
      return this;
    }

    /** Only where the context does not exist. */
    public Builder ifAbsent() {
      expected = Expected.newBuilder().setAbsent(true).build();
      return this;
    }

    /** Names this write: a repeat answers what the first one did. Default: a random one, for the tries of one call. */
    public Builder requestId(String requestId) {
      this.requestId = requestId;
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

    /** In place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    public WriteOptions build() {
      return new WriteOptions(this);
    }
  }
}
