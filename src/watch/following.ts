/** The contexts that a watch follows: those that its reader requests or has, and those that exist under its prefixes. */
import type { ContextEvent } from '../contexts/events.js';
import { type Head, samePosition } from '../model/model.js';
import type { Coverage } from './coverage.js';
import { Cursor, type Owner } from './cursor.js';
import type { Slices } from './slices.js';
import type { Sink, Subscription } from './subscription.js';
import { asked } from './survey.js';

export class Following {
  readonly #cursors = new Map<string, Cursor>();
  #closed = false;

  constructor(
    private readonly owner: Owner,
    private readonly coverage: Coverage,
    private readonly sink: Sink,
  ) {}

  get size(): number {
    return this.#cursors.size;
  }

  all(): Iterable<Cursor> {
    return this.#cursors.values();
  }

  track(id: string): Cursor {
    let cursor = this.#cursors.get(id);
    if (!cursor) {
      cursor = new Cursor(id, this.owner, this.coverage.interestIn(id));
      this.#cursors.set(id, cursor);
      this.tell();
    }
    return cursor;
  }

  /** Follows the contexts that the reader requests by id, or has, with the reader's positions. */
  async ask(subscriptions: readonly Subscription[], slices: Slices): Promise<void> {
    for await (const [id, at] of asked(subscriptions, slices)) {
      if (this.#closed) return;
      const cursor = this.track(id);
      cursor.asked = cursor.initial = true;
      cursor.at ??= at;
    }
  }

  /** The cursor that an event concerns. Undefined where a context was removed of which the reader was sent nothing. */
  concerned(event: ContextEvent): Cursor | undefined {
    return this.#cursors.get(event.id) ?? (event.kind === 'removed' ? undefined : this.track(event.id));
  }

  /** A context as a list has found it. Events after the list make the cursor dirty. `stays`: the reader is up to date. */
  find(id: string, { position }: Head, initial: boolean): { readonly cursor: Cursor; readonly stays: boolean } {
    const cursor = this.track(id);
    cursor.initial ||= initial;
    const { at, dirty, batch } = cursor;
    if (!at || dirty || batch || !samePosition(at, position)) return { cursor, stays: false };
    cursor.take({ kind: 'no_change', position });
    return { cursor, stays: true };
  }

  /** Whether a context that existed at the open is still to be sent, because it was written while it was read. */
  lacks(): boolean {
    for (const { initial, confirmed } of this.#cursors.values()) if (initial && !confirmed) return true;
    return false;
  }

  /** Whether this cursor was not dropped. */
  has(cursor: Cursor): boolean {
    return this.#cursors.get(cursor.id) === cursor;
  }

  drop({ id }: Cursor): void {
    this.#cursors.delete(id);
  }

  tell(): void {
    this.sink.follows?.(this.#cursors.size);
  }

  close(): void {
    this.#closed = true;
    this.#cursors.clear();
  }
}
