package dev.chord;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Options of {@link ChordClient#edit}. */
public final class EditOptions {
  static final EditOptions NONE = builder().build();

  final List<List<String>> reads;
  final boolean readsDocument;
  final boolean allowMissing;

  /** 0: those of the client's retry policy. */
  final int attempts;

  /** Null: the client's. */
  final @Nullable Duration deadline;

  private final List<Consumer<UpdateOptions.Builder>> write;

  private EditOptions(Builder builder) {
    reads = List.copyOf(builder.reads);
    readsDocument = builder.readsDocument;
    allowMissing = builder.allowMissing;
    attempts = builder.attempts;
    deadline = builder.deadline;
    write = List.copyOf(builder.write);
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** What each write of the edit has. */
  UpdateOptions.Builder write() {
    UpdateOptions.Builder options = UpdateOptions.builder();
    write.forEach(each -> each.accept(options));
    return options;
  }

  /** Collects options of an edit. */
  public static final class Builder {
    private final List<List<String>> reads = new ArrayList<>();
    private boolean readsDocument;
    private boolean allowMissing;
    private int attempts;
    private @Nullable Duration deadline;
    private final List<Consumer<UpdateOptions.Builder>> write = new ArrayList<>();

    private Builder() {}

    /** Paths that the function reads without changing them: where others change one, the edit is made again. */
    public Builder reads(List<List<String>> paths) {
      paths.forEach(path -> reads.add(List.copyOf(path)));
      return this;
    }

    /** All paths: any other write of the context makes the edit again. */
    public Builder readsDocument() {
      readsDocument = true;
      return this;
    }

    /** Where the context is missing, the function gets an empty document. Else that is NOT_FOUND. */
    public Builder allowMissing() {
      allowMissing = true;
      return this;
    }

    /** How often the function is called at most. Default: the attempts of the client's {@link RetryPolicy}. */
    public Builder attempts(int attempts) {
      if (attempts < 1) throw new IllegalArgumentException("attempts: at least 1");
      this.attempts = attempts;
      return this;
    }

    /** Of the whole edit, in place of the client's. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** As {@link UpdateOptions.Builder#ttl}. */
    public Builder ttl(Duration ttl) {
      write.add(options -> options.ttl(ttl));
      return this;
    }

    /** As {@link UpdateOptions.Builder#annotations}. */
    public Builder annotations(Map<String, String> annotations) {
      write.add(options -> options.annotations(annotations));
      return this;
    }

    /** Answer with the document as it is after the write. */
    public Builder returnDocument() {
      write.add(UpdateOptions.Builder::returnDocument);
      return this;
    }

    /** Answer with the delta of the write. */
    public Builder returnDelta() {
      write.add(UpdateOptions.Builder::returnDelta);
      return this;
    }

    /** Answer with the delta of the write and its old values. */
    public Builder returnOldValues() {
      write.add(UpdateOptions.Builder::returnOldValues);
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public EditOptions build() {
      return new EditOptions(this);
    }
  }
}
