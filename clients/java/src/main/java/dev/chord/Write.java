package dev.chord;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One write of a batch: see {@link ChordClient#batch(List, BatchOptions)}. Its options are those of the single call but
 * {@code requestId} and {@code deadline}, which belong to the batch: so they have types of their own, here.
 */
public final class Write {
  /** The batch has a name, and none of its writes. */
  private static final String UNNAMED = "";

  final String kind;

  /** Throws {@link ChordException} for what cannot be sent. */
  final Supplier<dev.chord.v1.Write> message;

  private Write(String kind, Supplier<dev.chord.v1.Write.Builder> message) {
    this.kind = kind;
    this.message = () -> message.get().build();
  }

  /** Creates a context, or replaces its document. */
  public static Write set(String id, Map<String, ?> value) {
    return set(id, value, SetOptions.NONE);
  }

  /** Creates a context, or replaces its document, with options. */
  public static Write set(String id, Map<String, ?> value, SetOptions options) {
    return new Write("set", () -> builder().setSet(Requests.set(UNNAMED, id, value, options)));
  }

  /** Changes parts of a document. */
  public static Write update(String id, Edit edit) {
    return update(id, edit, UpdateOptions.NONE);
  }

  /** Changes parts of a document, with options. */
  public static Write update(String id, Edit edit, UpdateOptions options) {
    return new Write("update", () -> builder().setUpdate(Requests.update(UNNAMED, id, edit, options)));
  }

  /** Writes the document of an earlier version. */
  public static Write revert(String id, long version) {
    return revert(id, version, RevertOptions.NONE);
  }

  /** Writes the document of an earlier version, with options. */
  public static Write revert(String id, long version, RevertOptions options) {
    return new Write("revert", () -> builder().setRevert(Requests.revert(UNNAMED, id, version, options)));
  }

  /** Removes a context with its deltas. */
  public static Write delete(String id) {
    return delete(id, DeleteOptions.NONE);
  }

  /** Removes a context with its deltas, with options. */
  public static Write delete(String id, DeleteOptions options) {
    return new Write("delete", () -> builder().setDelete(Requests.delete(UNNAMED, id, options)));
  }

  /**
   * Renews the time to live of a context.
   *
   * @param ttl null: the present one begins again; zero: until it is deleted
   */
  public static Write touch(String id, @Nullable Duration ttl) {
    return touch(id, List.of(), ttl);
  }

  /** Of these members, and not of the context: see {@link ChordClient#touch(String, List, Duration)}. */
  public static Write touch(String id, List<List<String>> paths, @Nullable Duration ttl) {
    return new Write("touch", () -> builder().setTouch(Requests.touch(id, paths, ttl)));
  }

  private static dev.chord.v1.Write.Builder builder() {
    return dev.chord.v1.Write.newBuilder();
  }

  /**
   * What a write of a batch did.
   *
   * @param position where the context stands then; of a delete where it stood last, null where it was missing
   * @param changed false: the write changed nothing
   * @param document null where it was not asked for; of a touch without its value, null where the batch is a repeat
   * @param delta null where it was not asked for, or nothing changed
   */
  public record Result(
      @Nullable Position position, boolean changed, @Nullable Document document, @Nullable Delta delta) {}

  /** Options of a set of a batch. */
  public static final class SetOptions extends WriteOptions {
    static final SetOptions NONE = builder().build();

    private SetOptions(Builder builder) {
      super(builder);
    }

    /** Begins with the defaults. */
    public static Builder builder() {
      return new Builder();
    }

    /** Collects options of a set of a batch. */
    public static final class Builder extends WriteOptions.StoringBuilder<Builder> {
      private Builder() {}

      @Override
      Builder self() {
        return this;
      }

      /** The options as they are now; the builder may go on. */
      public SetOptions build() {
        return new SetOptions(this);
      }
    }
  }

  /** Options of an update of a batch. */
  public static final class UpdateOptions extends WriteOptions {
    static final UpdateOptions NONE = builder().build();

    private UpdateOptions(Builder builder) {
      super(builder);
    }

    /** Begins with the defaults. */
    public static Builder builder() {
      return new Builder();
    }

    /** Collects options of an update of a batch. */
    public static final class Builder extends WriteOptions.StoringBuilder<Builder> {
      private Builder() {}

      @Override
      Builder self() {
        return this;
      }

      /** Starts from {} where the context is missing. Else that is NOT_FOUND. */
      public Builder allowMissing() {
        allowMissing = true;
        return this;
      }

      /** The options as they are now; the builder may go on. */
      public UpdateOptions build() {
        return new UpdateOptions(this);
      }
    }
  }

  /** Options of a revert of a batch. */
  public static final class RevertOptions extends WriteOptions {
    static final RevertOptions NONE = builder().build();

    private RevertOptions(Builder builder) {
      super(builder);
    }

    /** Begins with the defaults. */
    public static Builder builder() {
      return new Builder();
    }

    /** Collects options of a revert of a batch. */
    public static final class Builder extends WriteOptions.StoringBuilder<Builder> {
      private Builder() {}

      @Override
      Builder self() {
        return this;
      }

      /** The options as they are now; the builder may go on. */
      public RevertOptions build() {
        return new RevertOptions(this);
      }
    }
  }

  /** Options of a delete of a batch. */
  public static final class DeleteOptions extends WriteOptions {
    static final DeleteOptions NONE = builder().build();

    private DeleteOptions(Builder builder) {
      super(builder);
    }

    /** Begins with the defaults. */
    public static Builder builder() {
      return new Builder();
    }

    /** Collects options of a delete of a batch. */
    public static final class Builder extends WriteOptions.Builder<Builder> {
      private Builder() {}

      @Override
      Builder self() {
        return this;
      }

      /** No error where the context is missing. Else that is NOT_FOUND. */
      public Builder allowMissing() {
        allowMissing = true;
        return this;
      }

      /** The options as they are now; the builder may go on. */
      public DeleteOptions build() {
        return new DeleteOptions(this);
      }
    }
  }
}
