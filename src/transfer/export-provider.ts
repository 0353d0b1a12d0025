/**
 * The export provider contract: where exported contexts are kept, outside of Chord's own store.
 *
 * A provider keeps one text for each context id, and gives it back as it was. What the text says (ExportedContext,
 * as JSON) is not its business.
 *
 * Promises, which providerLaws (testing/provider.ts) check on every provider:
 *
 * 1. `save` resolves when the text is durable, and not before: Chord may delete the context then. It replaces what
 *    was saved under the id. One that is rejected, given up or cut off by a crash leaves either the old text or the
 *    new one, never a part of either.
 * 2. `load` gives back the text of the last `save`, to the character.
 * 3. `list` names each saved id that begins with the prefix, once, in any order.
 * 4. `delete` forgets; it answers whether there was something to forget.
 * 5. Any id is data: `..`, `a/b`, 512 bytes of anything but NUL, two that differ in case alone.
 *
 * Providers fail by rejecting, with whatever error says best what is wrong; callers see UNAVAILABLE with its message,
 * or the reason of a ChordError. Every call comes with a signal. When that aborts, Chord has given the call up: the
 * provider should let go of what it holds, and need not settle. Calls come several at a time, also for one id.
 */
import type { JsonObject, Position } from '../model/model.js';

export interface Provider {
  save(context: SavedContext, signal: AbortSignal): Promise<void>;
  /** Null: nothing is saved under this id. */
  load(id: string, signal: AbortSignal): Promise<string | null>;
  list(prefix: string, signal: AbortSignal): AsyncIterable<string>;
  delete(id: string, signal: AbortSignal): Promise<boolean>;
  /** Lets go of every handle. */
  close(): Promise<void>;
}

/** What a provider gets to keep: the text, and of what is in it that which helps to find it again. */
export interface SavedContext {
  readonly id: string;
  readonly position: Position;
  /** Milliseconds since 1970. */
  readonly exportedAt: number;
  /** An ExportedContext as JSON. */
  readonly text: string;
}

/** The text, parsed. Times are ISO 8601, in UTC. Unknown members are passed over. */
export interface ExportedContext {
  /** What is known of the shape: another number is refused. */
  readonly format: 'chord.context/1';
  readonly contextId: string;
  readonly exportedAt: string;
  readonly position: Position;
  readonly createdAt: string;
  readonly updatedAt: string;
  /** The context's own time to live, in milliseconds. Absent: it has none. */
  readonly ttl?: number;
  /** The document. A negative zero is written `-0`. */
  readonly value: JsonObject;
  /**
   * The retained records, oldest first: contiguous, the last one leads to `position`. The first one is that of version
   * 1, or else says only from where the second one leads. Absent: exported without history.
   */
  readonly history?: readonly ExportedRecord[];
}

/** One version. The bytes are base64: the digests of positions are made from them, so they must stay as they are. */
export interface ExportedRecord {
  /** Where the context stood after it. The epoch is that of the context. */
  readonly version: number;
  readonly digest: string;
  /** When it was written. */
  readonly at: string;
  /** Wire bytes of `repeated Change changes = 4` of chord.v1.Delta, without old values. */
  readonly changes: string;
  /** The old values that belong to them. */
  readonly olds: string;
}
