package dev.chord;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Options of get, touch, list, sync, deltas and blame. One that a call does not have is INVALID_ARGUMENT. */
public final class ReadOptions {
  static final ReadOptions NONE = builder().build();

  final boolean includeValues;
  final boolean includeOldValues;
  final boolean includeExpiries;
  final long version;
  final @Nullable Instant at;
  final String format;
  final List<List<String>> paths;
  final int pageSize;
  final @Nullable Duration deadline;

  /** Names of the options that were set, but for the deadline. */
  private final Set<String> given;

  private ReadOptions(Builder builder) {
    includeValues = builder.includeValues;
    includeOldValues = builder.includeOldValues;
    includeExpiries = builder.includeExpiries;
    version = builder.version;
    at = builder.at;
    format = builder.format;
    paths = builder.paths;
    pageSize = builder.pageSize;
    deadline = builder.deadline;
    given = Set.copyOf(builder.given);
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofList() {
    return of("list", "includeValues", "pageSize");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofSync() {
    return of("sync", "includeOldValues", "format", "paths");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofDeltas() {
    return of("deltas", "includeOldValues", "format", "pageSize");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofGet() {
    return of("get", "includeExpiries", "version", "at");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofTouch() {
    return of("touch");
  }

  /** @throws ChordException INVALID_ARGUMENT for an option of another call */
  ReadOptions ofBlame() {
    return of("blame", "pageSize");
  }

  private ReadOptions of(String call, String... allowed) {
    for (String option : given) {
      if (!List.of(allowed).contains(option)) throw Errors.notApplicable(option, call);
    }
    return this;
  }

  /** Collects options of a read. */
  public static final class Builder {
    private boolean includeValues;
    private boolean includeOldValues;
    private boolean includeExpiries;
    private long version;
    private @Nullable Instant at;
    private String format = "";
    private List<List<String>> paths = List.of();
    private int pageSize;
    private @Nullable Duration deadline;
    private final Set<String> given = new LinkedHashSet<>();

    private Builder() {}

    /** List: with the documents' values. */
    public Builder includeValues() {
      includeValues = true;
      given.add("includeValues");
      return this;
    }

    /** Sync and deltas: old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      given.add("includeOldValues");
      return this;
    }

    /** Get: which members expire, and when. */
    public Builder includeExpiries() {
      includeExpiries = true;
      given.add("includeExpiries");
      return this;
    }

    /**
     * Get: the document of this version of the present life. NOT_FOUND above the present version, FAILED_PRECONDITION where its
     * history is no longer retained.
     */
    public Builder version(long version) {
      this.version = version;
      given.add("version");
      return this;
    }

    /** Get: the document as it was then, as far as {@link #version} goes. NOT_FOUND before the present life began. */
    public Builder at(Instant at) {
      this.at = at;
      given.add("at");
      return this;
    }

    /**
     * Sync and deltas: the format of deltas, {@code flat}, {@code json_patch}, {@code merge_patch} or the name of one of the
     * server's own. They come in {@link Delta#formatted}.
     */
    public Builder format(String format) {
      this.format = format;
      given.add("format");
      return this;
    }

    /**
     * Sync: only these parts of the document. With a known position, those that the copy was made with: no delta has what was
     * left out.
     */
    public Builder paths(List<List<String>> paths) {
      this.paths = List.copyOf(paths);
      given.add("paths");
      return this;
    }

    /** List, deltas and blame: items of a page, 1 to 1000. Default: 100. */
    public Builder pageSize(int pageSize) {
      this.pageSize = pageSize;
      given.add("pageSize");
      return this;
    }

    /** In place of the client's; of lists: for each page. */
    public Builder deadline(Duration deadline) {
      this.deadline = deadline;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public ReadOptions build() {
      return new ReadOptions(this);
    }
  }
}
