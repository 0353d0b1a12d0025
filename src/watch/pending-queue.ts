/** Contexts and marks whose turn comes, first in, first out: each context at most once, however often it is marked. */
import type { Cursor } from './cursor.js';

/** Fewer are not worth a pass over all. */
const DROPPED_MIN = 100;

export type Slice = Cursor | 'caught_up' | 'heartbeat';

export class PendingQueue {
  #queue: Slice[] = [];
  #start = 0;
  /** Contexts whose turn came while the store was away; they are dirty still. */
  #stalled: Cursor[] = [];
  /** Of these, contexts that were dropped, about. */
  #dropped = 0;

  get empty(): boolean {
    return this.#start === this.#queue.length;
  }

  /** How many entries it holds. */
  get size(): number {
    return this.#queue.length - this.#start + this.#stalled.length;
  }

  push(mark: Exclude<Slice, Cursor>): void {
    this.#queue.push(mark);
  }

  mark(cursor: Cursor): void {
    cursor.dirty = true;
    if (cursor.queued) return;
    cursor.queued = true;
    this.#queue.push(cursor);
  }

  /** Nothing is to be said of it any more. What was dropped takes no more room than what is left. */
  drop(cursor: Cursor): void {
    cursor.dirty = false;
    if (!cursor.queued || ++this.#dropped < DROPPED_MIN + this.size / 2) return;
    this.#queue = this.#queue.slice(this.#start).filter(isDue);
    this.#stalled = this.#stalled.filter(isDue);
    this.#start = this.#dropped = 0;
  }

  /** It waits until the store may be back. */
  stall(cursor: Cursor): void {
    cursor.dirty = true;
    if (cursor.queued) return;
    cursor.queued = true;
    this.#stalled.push(cursor);
  }

  /** What waited for the store has its turn again. */
  goOn(): void {
    this.#queue.push(...this.#stalled.splice(0));
  }

  /** Undefined where nothing is left. A context may have been sent since it was marked: then it is not dirty. */
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
