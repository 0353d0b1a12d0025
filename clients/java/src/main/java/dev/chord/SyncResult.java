package dev.chord;

/** What a copy at a known position lacks. */
public sealed interface SyncResult permits WatchEvent.Full, WatchEvent.Changed, SyncResult.NoChange {
  /** The copy is current. */
  record NoChange(Position position) implements SyncResult {}
}
