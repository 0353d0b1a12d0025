/** What the use cases answer and tell: views of contexts, deltas between positions, commits as they happen. */
import type { EncodedStruct } from '../codec/struct.js';
import type { Head, Payload, Position } from '../model/model.js';

/** A context with its document, at one position. */
export interface View<T = EncodedStruct> {
  readonly id: string;
  readonly head: Head;
  readonly value: T;
}

/** The changes from one position to a later one. One object serves every watcher that stands at `from`. */
export interface DeltaView {
  readonly id: string;
  /** Version 0 for the delta that creates a context. */
  readonly from: Position;
  readonly to: Position;
  readonly payload: Payload;
  /** When `to` was written, in milliseconds since 1970. */
  readonly at: number;
  /** It may take more bytes than the document: compare before sending. */
  readonly large?: boolean;
}

/** A document takes at least half its weight on the wire: a delta below that need not be compared. */
export function isLarge(payload: Payload, weight: number): boolean {
  return payload.changes.length * 2 > weight;
}

export type RemovalReason = 'deleted' | 'expired';

/** A durable commit of one context, as the hub passes it on. `reset`: it may stand anywhere now; look. */
export type ContextEvent =
  | { readonly kind: 'delta'; readonly id: string; readonly delta: DeltaView }
  | { readonly kind: 'removed'; readonly id: string; readonly reason: RemovalReason }
  | { readonly kind: 'reset'; readonly id: string };

/** `group`: these happened as one, each to another context. `gap`: any context may stand anywhere now. */
export type CommitEvent =
  | ContextEvent
  | { readonly kind: 'batch'; readonly events: readonly ContextEvent[] }
  | { readonly kind: 'gap' };

export type FullReason = 'initial' | 'epoch_changed' | 'ahead' | 'diverged' | 'history_truncated' | 'delta_larger';

/** What a client that says where it stands gets. */
export type SyncResult<T = EncodedStruct> =
  | { readonly kind: 'full'; readonly view: View<T>; readonly reason: FullReason }
  | { readonly kind: 'delta'; readonly delta: DeltaView }
  | { readonly kind: 'no_change'; readonly position: Position }
  /** `removal`: how it went, where that is known. */
  | { readonly kind: 'missing'; readonly removal?: RemovalReason };
