/** The results and events of the use cases: views of contexts, deltas between positions, commits. */
import type { EncodedStruct } from '../codec/struct.js';
import type { Cause, Head, Payload, Position } from '../model/model.js';
import type { LogRecord } from '../store/store.js';

/** A context with its document, at one position. */
export interface View<T = EncodedStruct> {
  readonly id: string;
  readonly head: Head;
  readonly value: T;
}

/** The changes from one position to a later one. One object serves every watcher whose cursor is at `from`. */
export interface DeltaView {
  readonly id: string;
  /** Version 0 for the delta that creates a context. */
  readonly from: Position;
  readonly to: Position;
  readonly payload: Payload;
  /** The time at which `to` was written, in milliseconds since 1970. */
  readonly at: number;
  /** Of a delta of one version: what wrote it. Absent: a client, or several versions. */
  readonly cause?: Cause;
  /** Likewise: who wrote it, as the record has it. Absent: nothing is known, or several versions. */
  readonly provenance?: Uint8Array;
  /** The delta may take more bytes than the document: compare the sizes before sending. */
  readonly large?: boolean;
}

/** The delta of a record. */
export function deltaOf(id: string, from: Position, record: LogRecord): DeltaView {
  const { position: to, at, cause, provenance } = record;
  return { id, from, to, payload: record, at, ...(cause && { cause }), ...(provenance && { provenance }) };
}

/** A document takes at least half its weight on the wire: a delta below half the weight need not be compared. */
export function isLarge(payload: Payload, weight: number): boolean {
  return payload.changes.length * 2 > weight;
}

export type RemovalReason = 'deleted' | 'expired';

/** A durable commit of one context, as the hub publishes it. `reset`: the context may have changed in any way. */
export type ContextEvent =
  | { readonly kind: 'delta'; readonly id: string; readonly delta: DeltaView }
  | { readonly kind: 'removed'; readonly id: string; readonly reason: RemovalReason }
  | { readonly kind: 'reset'; readonly id: string };

/** `batch`: the events belong to one commit, each to a different context. `gap`: events were lost, for any context. */
export type CommitEvent =
  | ContextEvent
  | { readonly kind: 'batch'; readonly events: readonly ContextEvent[] }
  | { readonly kind: 'gap' };

export type FullReason = 'initial' | 'epoch_changed' | 'ahead' | 'diverged' | 'history_truncated' | 'delta_larger';

/** The answer to a sync request, in which a client states its position. */
export type SyncResult<T = EncodedStruct> =
  | { readonly kind: 'full'; readonly view: View<T>; readonly reason: FullReason }
  | { readonly kind: 'delta'; readonly delta: DeltaView }
  | { readonly kind: 'no_change'; readonly position: Position }
  /** `removal`: why the context no longer exists, where the reason is available. */
  | { readonly kind: 'missing'; readonly removal?: RemovalReason };
