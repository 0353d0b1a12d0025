package dev.chord;

import java.time.Duration;

/** Options of get, touch, list, sync, deltas and blame. One that a call does not have is INVALID_ARGUMENT. */
public final class ReadOptions {
  static final ReadOptions NONE = builder().build();

  final boolean includeValues;
  final boolean includeOldValues;
  final boolean includeExpiries;
  final Duration deadline;

  private ReadOptions(Builder builder) {
    includeValues = builder.includeValues;
    includeOldValues = builder.includeOldValues;
    includeExpiries = builder.includeExpiries;
    deadline = builder.deadline;
  }

  public static Builder builder() {
    return new Builder();
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofList() {
    if (includeOldValues) throw Errors.notApplicable("includeOldValues", "list");
    return ofOthersThanGet("list");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofDeltas(String call) {
    if (includeValues) throw Errors.notApplicable("includeValues", call);
    return ofOthersThanGet(call);
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofGet() {
    return ofOne("get");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofTouch() {
    return ofOthersThanGet("touch").ofOne("touch");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofBlame() {
    return ofOthersThanGet("blame").ofOne("blame");
  }

  private ReadOptions ofOne(String call) {
    if (includeValues) throw Errors.notApplicable("includeValues", call);
    if (includeOldValues) throw Errors.notApplicable("includeOldValues", call);
    return this;
  }

  private ReadOptions ofOthersThanGet(String call) {
    if (includeExpiries) throw Errors.notApplicable("includeExpiries", call);
    return this;
  }

  public static final class Builder {
    private boolean includeValues;
    private boolean includeOldValues;
    private boolean includeExpiries;
    private Duration deadline;

    private Builder() {}

    /** List: with the documents' values. */
    public Builder includeValues() {
      includeValues = true;
      return this;
    }

    /** Sync and deltas: old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      return this;
    }

    /** Get: which members expire, and when. */
    public Builder includeExpiries() {
      includeExpiries = true;
      return this;
    }

    /** In place of the client's; of lists: for each page. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    public ReadOptions build() {
      return new ReadOptions(this);
    }
  }
}
