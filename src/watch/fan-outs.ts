/**
 * Fan-outs under way: events for many subscribers, in the order of the commits. They run in slices of the event loop:
 * the answer of the write leaves first, and other calls run between two slices. A watcher that reads a context must have
 * been offered the events behind that state (`Hub.catchUp`): a fan-out passes over the watchers that have caught up.
 *
 * Where fan-outs cannot keep up, the oldest runs to its end at once: writers then wait for it, and the memory is bounded.
 */
import type { CommitEvent } from '../contexts/events.js';

export type FanOutEvent = Exclude<CommitEvent, { kind: 'gap' }>;

/** A slice ends after this time, in milliseconds; the clock is read after so many offers. */
const SLICE_MS = 0.5;
const OFFERS_BETWEEN_LOOKS = 32;
/** Events that may wait, and the bytes of their deltas. */
const EVENTS_MAX = 64;
const BYTES_MAX = 4 << 20;

interface FanOut {
  readonly number: number;
  readonly event: FanOutEvent;
  readonly bytes: number;
  /** Offers the event to the remaining subscribers, one at each step. */
  readonly steps: Iterator<void>;
}

export class FanOuts {
  readonly #queue: FanOut[] = [];
  #bytes = 0;
  #begun = 0;
  #running = false;
  #asked = false;

  /** The number of the last fan-out: a watcher that subscribes now needs only later ones. */
  get last(): number {
    return this.#begun;
  }

  get idle(): boolean {
    return this.#queue.length === 0;
  }

  /** The events of the fan-outs after number `seen` that are not complete. */
  *after(seen: number): Iterable<FanOutEvent> {
    for (const { number, event } of this.#queue.slice()) if (number > seen) yield event;
  }

  /** `offer`: offers the event, one step for each subscriber, but not to watchers that have seen this number. */
  add(event: FanOutEvent, offer: (number: number) => Iterator<void>): void {
    const number = ++this.#begun;
    const bytes = bytesOf(event);
    this.#queue.push({ number, event, bytes, steps: offer(number) });
    this.#bytes += bytes;
    while (!this.#running && (this.#queue.length > EVENTS_MAX || this.#bytes > BYTES_MAX)) this.#run(1);
    this.#ask();
  }

  /** Completes all fan-outs. */
  flush(): void {
    if (!this.#running) this.#run(Number.POSITIVE_INFINITY);
  }

  #ask(): void {
    if (this.#asked || this.idle) return;
    this.#asked = true;
    // Two turns: node:http2 sends the message of an answer in the next turn, but its trailers, without which no client
    // takes the answer, only in the turn after that.
    setImmediate(() => setImmediate(this.#slice));
  }

  readonly #slice = (): void => {
    this.#asked = false;
    this.#run(Number.POSITIVE_INFINITY, performance.now() + SLICE_MS);
    this.#ask();
  };

  /** Completes up to `count` fan-outs; stops at `until`, by `performance.now()`. */
  #run(count: number, until = Number.POSITIVE_INFINITY): void {
    this.#running = true;
    let steps = 0;
    for (let left = count; left > 0 && !this.idle; left--) {
      const fanOut = this.#queue[0]!;
      while (!fanOut.steps.next().done) {
        if (++steps % OFFERS_BETWEEN_LOOKS > 0 || performance.now() < until) continue;
        this.#running = false;
        return;
      }
      this.#queue.shift();
      this.#bytes -= fanOut.bytes;
    }
    this.#running = false;
  }
}

function bytesOf(event: FanOutEvent): number {
  if (event.kind === 'batch') return event.events.reduce((sum, each) => sum + bytesOf(each), 0);
  return event.kind === 'delta' ? event.delta.payload.changes.length : 0;
}
