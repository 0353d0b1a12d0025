package dev.chord;

import java.time.Duration;
import java.util.Map;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/** Options of a watch. */
public final class WatchOptions {
  static final WatchOptions NONE = builder().build();

  final Map<String, Position> known;
  final boolean includeOldValues;
  final String format;
  final @Nullable Duration heartbeatInterval;
  final BiConsumer<ChordException, Duration> onDisconnect;

  private WatchOptions(Builder builder) {
    known = Map.copyOf(builder.known);
    includeOldValues = builder.includeOldValues;
    format = builder.format;
    heartbeatInterval = builder.heartbeatInterval;
    onDisconnect = builder.onDisconnect;
  }

  /** Begins with the defaults. */
  public static Builder builder() {
    return new Builder();
  }

  /** Collects options of a watch. */
  public static final class Builder {
    private Map<String, Position> known = Map.of();
    private boolean includeOldValues;
    private String format = "";
    private @Nullable Duration heartbeatInterval;
    private BiConsumer<ChordException, Duration> onDisconnect = (error, delay) -> {};

    private Builder() {}

    /** Where a copy stands already, by context id. */
    public Builder known(Map<String, Position> known) {
      this.known = known;
      return this;
    }

    /** Send old values with the changes. */
    public Builder includeOldValues() {
      includeOldValues = true;
      return this;
    }

    /** As {@link SyncOptions.Builder#format}. */
    public Builder format(String format) {
      this.format = Values.text("format", format);
      return this;
    }

    /** 1 s to 1 h. Default 15 s. */
    public Builder heartbeatInterval(Duration heartbeatInterval) {
      this.heartbeatInterval = heartbeatInterval;
      return this;
    }

    /** The connection broke; the watch connects again after this long. Called by the reader's thread. */
    public Builder onDisconnect(BiConsumer<ChordException, Duration> onDisconnect) {
      this.onDisconnect = onDisconnect;
      return this;
    }

    /** The options as they are now; the builder may go on. */
    public WatchOptions build() {
      return new WatchOptions(this);
    }
  }
}
