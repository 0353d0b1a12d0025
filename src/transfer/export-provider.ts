/**
 * The export provider contract: where exported contexts are kept, outside of Chord's own store.
 *
 * A provider keeps one text for each context id, and returns the text unchanged. The contents of the text
 * (ExportedContext, as JSON) do not concern the provider.
 *
 * Promises, which providerLaws (testing/provider.ts) check on every provider:
 *
 * 1. `save` resolves when the text is durable, and not before: Chord may then delete the context. The text replaces the
 *    earlier text of the id. A `save` that is rejected, aborted or cut off by a crash leaves either the old text or the
 *    new one, never a part of either.
 * 2. `load` returns the text of the last `save`, character by character.
 * 3. `list` names each saved id that begins with the prefix, once, in any order.
 * 4. `delete` removes the text of an id, and answers whether there was one.
 * 5. Any id is data: `..`, `a/b`, 512 bytes of anything but NUL, two ids that differ in case alone.
 *
 * Providers fail by rejecting, with the error that describes the failure best; callers see UNAVAILABLE with its message,
 * or the reason of a ChordError. Every call comes with a signal. When the signal aborts, Chord has abandoned the call:
 * the provider should release its resources, and need not settle. Calls are concurrent, also for one id.
 */
import type { JsonObject, Position } from '../model/model.js';

export interface Provider {
  save(context: SavedContext, signal: AbortSignal): Promise<void>;
  /** Null: no text is saved under this id. */
  load(id: string, signal: AbortSignal): Promise<string | null>;
  list(prefix: string, signal: AbortSignal): AsyncIterable<string>;
  delete(id: string, signal: AbortSignal): Promise<boolean>;
  /** Releases every handle. */
  close(): Promise<void>;
}

/** The input of `save`: the text, and those of its members that help to find it again. */
export interface SavedContext {
  readonly id: string;
  readonly position: Position;
  /** Milliseconds since 1970. */
  readonly exportedAt: number;
  /** An ExportedContext as JSON. */
  readonly text: string;
}

/** The parsed text. Times are ISO 8601, in UTC. Unknown members are ignored. */
export interface ExportedContext {
  /** The version of the format: any other value is refused. */
  readonly format: 'chord.context/1';
  readonly contextId: string;
  readonly exportedAt: string;
  readonly position: Position;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The context's own time to live, in milliseconds. Absent: none. */
  readonly ttl?: number;
  /** The document. A negative zero is written `-0`. */
  readonly value: JsonObject;
  /**
   * The retained records, oldest first: contiguous, the last record leads to `position`. The first record is that of
   * version 1, or else only holds the position at which the second one starts. Absent: exported without history.
   */
  readonly history?: readonly ExportedRecord[];
}

/** One version. The bytes are base64: the digests of positions are computed from them, so they must stay unchanged. */
export interface ExportedRecord {
  /** The position after this record; the epoch is that of the context. */
  readonly version: number;
  readonly digest: string;
  /** The time of the write. */
  readonly at: string;
  /** Wire bytes of `repeated Change changes = 4` of chord.v1.Delta, without old values. */
  readonly changes: string;
  /** The old values of these changes. */
  readonly olds: string;
  /** What wrote it. Absent: a client. */
  readonly cause?: 'expired';
  /** The identity that wrote it. Absent: none. */
  readonly author?: string;
  /** What the write gave. Absent: nothing. */
  readonly annotations?: Readonly<Record<string, string>>;
}
