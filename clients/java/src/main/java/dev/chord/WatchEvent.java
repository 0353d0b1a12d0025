package dev.chord;

/** What a {@link Watch} tells. Per context in order, without gaps and without duplicates. */
public sealed interface WatchEvent {
  /**
   * Whether the next event belongs to the same batch of writes as this one. Then it is there already: a watch delivers
   * the events of a batch once all of them have come.
   */
  default boolean more() {
    return false;
  }

  /**
   * The whole document.
   *
   * @param reason why it is not a delta: {@code INITIAL}, {@code EPOCH_CHANGED}, {@code AHEAD}, {@code DIVERGED},
   *     {@code HISTORY_TRUNCATED}, {@code DELTA_LARGER}; {@code UNSPECIFIED} for one that this client does not know
   */
  record Full(Document document, String reason, boolean more) implements WatchEvent, SyncResult {}

  /** What changed since the last event of this context. */
  record Changed(Delta delta, boolean more) implements WatchEvent, SyncResult {}

  /**
   * It is gone. Should it come back, it comes as {@link Full}.
   *
   * @param position where the reader stood
   * @param reason {@code DELETED}, {@code EXPIRED}, or {@code UNKNOWN}: it went while the connection was away
   */
  record Deleted(String id, Position position, String reason, boolean more) implements WatchEvent {}

  /** It was asked for and does not exist; its creation comes as {@link Full}. */
  record Absent(String id) implements WatchEvent {}

  /** Everything that existed has come: once for each connection. */
  record CaughtUp() implements WatchEvent {}
}
