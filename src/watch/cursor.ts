/** The cursor of a watcher in one context: the reader's position, and what the watcher has seen of the context since. */
import type { ContextEvent, RemovalReason, SyncResult } from '../contexts/events.js';
import type { WatchInterest } from '../contexts/sync/projection.js';
import type { Position } from '../model/model.js';
import type { BatchDelivery, BatchMember } from './batch-delivery.js';
import type { BatchSubscriber, Subscriber } from './hub.js';
import type { WatchEvent } from './subscription.js';

/** The watcher that a cursor belongs to. */
export interface Owner extends BatchSubscriber {
  offerTo(cursor: Cursor, event: ContextEvent | { readonly kind: 'gap' }): void;
}

/** A cursor subscribes to its own id where the reader requested the id: so its events need no look-up. */
export class Cursor implements Subscriber, BatchMember<Cursor> {
  /** The reader's position. Null: the reader was sent that the context does not exist. Undefined: nothing was sent. */
  at: Position | null | undefined = undefined;
  /** The position after the last event or answer; 'here' where that is the reader's position. */
  #told: Position | null | undefined | 'here' = undefined;
  /** The context may have changed since the last answer. */
  dirty = false;
  /** In the pending queue, dirty or no longer dirty. */
  queued = false;
  /** Among the contexts that the queue has set aside, dirty or no longer dirty. */
  aside = false;
  /** Something of the context was sent or confirmed on this watch. */
  confirmed = false;
  /** The context existed at the open, or was requested by id: the reader is caught up after it. */
  initial = false;
  /** The reader requested this id, so its absence is sent too. */
  asked = false;
  removal: RemovalReason = 'deleted';
  /** The delivery that must include this context. */
  batch: BatchDelivery<Cursor> | undefined;

  constructor(
    readonly id: string,
    readonly owner: Owner,
    /** Absent: the whole document, in the plain form. */
    readonly interest: WatchInterest | undefined,
  ) {}

  /** The position after the last event: exact, unless other servers write to the context. Undefined: not known. */
  get latest(): Position | null | undefined {
    return this.#told === 'here' ? this.at : this.#told;
  }

  offer(event: ContextEvent | { readonly kind: 'gap' }): void {
    this.owner.offerTo(this, event);
  }

  /** Records the position that an event leads to. */
  note(event: ContextEvent): void {
    if (event.kind === 'removed') this.removal = event.reason;
    this.#told = event.kind === 'delta' ? event.delta.to : event.kind === 'removed' ? null : undefined;
  }

  /** Moves the reader to the position of the answer; returns the event to send. Undefined: the reader lacks nothing. */
  take(result: SyncResult): WatchEvent | undefined {
    const event = this.#move(result);
    // An event may have moved the context away meanwhile, for example by a removal.
    if (this.#told === undefined) this.#told = 'here';
    return event;
  }

  /** Moves the reader to `at`, by the one delta that was sent. */
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
        // The reader may have named a version only: from now on the cursor has the whole position.
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
