/** What a watcher remembers of one context. */
import type { ContextEvent, RemovalReason, SyncResult } from '../contexts/events.js';
import type { WatchInterest } from '../contexts/sync/projection.js';
import type { Position } from '../model/model.js';
import type { BatchDelivery, BatchMember } from './batch-delivery.js';
import type { BatchSubscriber, Subscriber } from './hub.js';
import type { WatchEvent } from './subscription.js';

/** The watcher that it belongs to. */
export interface Owner extends BatchSubscriber {
  offerTo(cursor: Cursor, event: ContextEvent | { readonly kind: 'gap' }): void;
}

/** It subscribes itself where its id was asked for: so no event looks it up. */
export class Cursor implements Subscriber, BatchMember<Cursor> {
  /** Where the reader stands. Null: it knows that there is no such context. Undefined: it knows nothing. */
  at: Position | null | undefined = undefined;
  /** What was told of it last: where it stands, or that it is where the reader is. */
  #told: Position | null | undefined | 'here' = undefined;
  /** Something may have happened to it since. */
  dirty = false;
  /** In the queue, dirty or no longer. */
  queued = false;
  /** Something about it was sent or confirmed on this watch. */
  confirmed = false;
  /** It existed at the open, or was asked for: the reader is caught up when it has it. */
  initial = false;
  /** The reader wants to hear if it is absent. */
  asked = false;
  removal: RemovalReason = 'deleted';
  /** What it must be sent together with. */
  batch: BatchDelivery<Cursor> | undefined;

  constructor(
    readonly id: string,
    readonly owner: Owner,
    /** Absent: everything, as it is. */
    readonly interest: WatchInterest | undefined,
  ) {}

  /** Where it stands by what was told of it: exactly there, unless other servers write to it. Undefined: not known. */
  get latest(): Position | null | undefined {
    return this.#told === 'here' ? this.at : this.#told;
  }

  offer(event: ContextEvent | { readonly kind: 'gap' }): void {
    this.owner.offerTo(this, event);
  }

  /** What an event tells of it. */
  note(event: ContextEvent): void {
    if (event.kind === 'removed') this.removal = event.reason;
    this.#told = event.kind === 'delta' ? event.delta.to : event.kind === 'removed' ? null : undefined;
  }

  /** The reader is told what it lacks, and stands there. Undefined: it lacks nothing. */
  take(result: SyncResult): WatchEvent | undefined {
    const event = this.#move(result);
    // Not where it was told to be gone.
    if (this.#told === undefined) this.#told = 'here';
    return event;
  }

  /** The reader is told of this one step, and stands there. */
  arrive(at: Position): void {
    this.at = at;
    this.#told = 'here';
    this.confirmed = true;
  }

  #move(result: SyncResult): WatchEvent | undefined {
    const { id, at: before, confirmed } = this;
    this.confirmed = true;
    switch (result.kind) {
      case 'no_change':
        // The reader may have named only a version: from here on it has the whole position.
        this.at = result.position;
        return undefined;
      case 'delta':
        this.at = result.delta.to;
        return { kind: 'delta', delta: result.delta };
      case 'full':
        this.at = result.view.head.position;
        return { kind: 'full', view: result.view, reason: result.reason };
      case 'missing': {
        this.at = null;
        const reason = result.removal ?? this.removal;
        this.removal = 'deleted';
        if (before && confirmed) return { kind: 'deleted', id, position: before, reason };
        return before !== null && this.asked ? { kind: 'absent', id } : undefined;
      }
    }
  }
}
