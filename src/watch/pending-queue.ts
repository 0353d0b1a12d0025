/** The pending queue: contexts and marks in order, first in, first out. A context is in it at most once. */
import type { Cursor } from './cursor.js';

/** With fewer dropped entries, a pass over the queue is not worth its cost. */
const DROPPED_MIN = 100;

export type Slice = Cursor | 'caught_up' | 'heartbeat';

export class PendingQueue {
  #queue: Slice[] = [];
  #start = 0;
  /** Contexts whose turn came while the store was unreachable; dirty, unless they were sent since with their batch. */
  #stalled: Cursor[] = [];
  /** The approximate number of dropped contexts in the queue. */
  #dropped = 0;

  get empty(): boolean {
    return this.#start === this.#queue.length;
  }

  /** The number of entries. */
  get size(): number {
    return this.#queue.length - this.#start + this.#stalled.length;
  }

  push(mark: Exclude<Slice, Cursor>): void {
    this.#queue.push(mark);
  }

  /** A context that was set aside, and was sent since with its batch, has a turn of its own again. */
  mark(cursor: Cursor): void {
    const waits = cursor.queued || (cursor.aside && cursor.dirty);
    cursor.dirty = true;
    if (waits) return;
    cursor.queued = true;
    this.#queue.push(cursor);
  }

  /** Drops a context: nothing is to be sent of it. Dropped entries never take more room than the others. */
  drop(cursor: Cursor): void {
    cursor.dirty = false;
    if (!(cursor.queued || cursor.aside) || ++this.#dropped < DROPPED_MIN + this.size / 2) return;
    this.#queue = this.#queue.slice(this.#start).filter(isDue);
    this.#stalled = this.#stalled.filter((each) => {
      each.aside = each.dirty;
      return each.dirty;
    });
    this.#start = this.#dropped = 0;
  }

  /** Sets a context aside until the store may be reachable again. */
  stall(cursor: Cursor): void {
    cursor.dirty = true;
    if (cursor.queued || cursor.aside) return;
    cursor.aside = true;
    this.#stalled.push(cursor);
  }

  /** Puts the contexts that were set aside back into the queue. */
  goOn(): void {
    for (const cursor of this.#stalled.splice(0)) {
      cursor.aside = false;
      if (cursor.dirty) this.mark(cursor);
    }
  }

  /** The next entry; undefined where the queue is empty. A context that was sent since it was marked is not dirty. */
  take(): Slice | undefined {
    const next = this.#queue[this.#start];
    if (next === undefined) return undefined;
    this.#start++;
    if (typeof next === 'object') next.queued = false;
    if (this.#start === this.#queue.length || this.#start > 1000) {
      this.#queue.splice(0, this.#start);
      this.#start = 0;
    }
    return next;
  }

  clear(): void {
    this.#queue = [];
    this.#stalled = [];
    this.#start = this.#dropped = 0;
  }
}

function isDue(turn: Slice): boolean {
  if (typeof turn !== 'object') return true;
  turn.queued = turn.dirty;
  return turn.dirty;
}
