/** What a reader requests, and what it receives. */
import type { DeltaView, FullReason, RemovalReason, View } from '../contexts/events.js';
import type { Projection } from '../delta/projection.js';
import type { Position } from '../model/model.js';

export type WatchEvent =
  | { readonly kind: 'full'; readonly view: View; readonly reason: FullReason }
  | { readonly kind: 'delta'; readonly delta: DeltaView }
  | { readonly kind: 'deleted'; readonly id: string; readonly position: Position; readonly reason: RemovalReason }
  | { readonly kind: 'absent'; readonly id: string }
  | { readonly kind: 'caught_up' }
  | { readonly kind: 'heartbeat' };

/** The receiving end of a watcher, towards the reader. */
export interface Sink {
  /** Whether the sink has room. Where it had none, it calls `watcher.resume` once it has room again. */
  ready(): boolean;
  /** `more`: the next event belongs to the same batch; a reader that shows one without the other shows half a batch. */
  send(event: WatchEvent, more: boolean): void;
  /** The number of followed contexts has changed to `contexts`. Must not close the watcher before it returns. */
  follows?(contexts: number): void;
  /** The watch has failed and ends. */
  fail(error: unknown): void;
}

/** One context, or all contexts whose ids begin with a prefix; with the positions that the reader has, by id. */
export interface Subscription {
  readonly target: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'prefix'; readonly prefix: string };
  readonly known: ReadonlyMap<string, Position>;
  /** The requested parts of documents. Absent: whole documents. */
  readonly scope?: Projection | undefined;
}
