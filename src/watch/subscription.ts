/** What a reader asks for, and what it is told. */
import type { DeltaView, FullReason, RemovalReason, View } from '../contexts/events.js';
import type { Projection } from '../contexts/sync/projection.js';
import type { Position } from '../model/model.js';

export type WatchEvent =
  | { readonly kind: 'full'; readonly view: View; readonly reason: FullReason }
  | { readonly kind: 'delta'; readonly delta: DeltaView }
  | { readonly kind: 'deleted'; readonly id: string; readonly position: Position; readonly reason: RemovalReason }
  | { readonly kind: 'absent'; readonly id: string }
  | { readonly kind: 'caught_up' }
  /** `at`: everything that was written and answered before has been sent. Absent: that is not known yet. Milliseconds. */
  | { readonly kind: 'heartbeat'; readonly at?: number | undefined };

/** The reader's end. */
export interface Sink {
  /** Whether the reader has room. When it has room again, it calls `watcher.resume`. */
  ready(): boolean;
  /** `more`: the next event belongs to the same group of writes; whoever shows one without the other shows half of it. */
  send(event: WatchEvent, more: boolean): void;
  /** So many contexts are followed now. Must not close the watcher before it returns. */
  follows?(contexts: number): void;
  /** The watch cannot go on. */
  fail(error: unknown): void;
}

/** One context or all whose ids begin with a prefix; with where the reader stands already, by id. */
export interface Subscription {
  readonly target: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'prefix'; readonly prefix: string };
  readonly known: ReadonlyMap<string, Position>;
  /** The parts of documents that are of interest. Absent: everything. */
  readonly scope?: Projection | undefined;
}
