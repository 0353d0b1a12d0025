/** The present usage of one identity or one connection. */

import { Bucket } from './bucket.js';
import type { LimitName, Limits } from './limits.js';

/** All limits of an identity or a connection; Infinity: no limit. */
export type Bounds = Readonly<Record<LimitName, number>>;

/** What a call needs: a slot until it ends, or a share of a second's rate. */
export interface QuotaNeed {
  readonly calls: number;
  readonly streams: number;
  readonly subscriptions: number;
  readonly writesPerSecond: number;
  readonly bytesPerSecond: number;
}

/** The limit that is exceeded, and when to retry. */
export interface Excess {
  readonly name: LimitName;
  readonly limit: number;
  /** Milliseconds until the call fits. Undefined: it never fits. */
  readonly wait: number | undefined;
}

/** When another stream or call ends is unpredictable: retry after this time, in milliseconds. */
const WAIT_FOR_OTHERS = 1000;

export class Account {
  #calls = 0;
  #streams = 0;
  #subscriptions = 0;
  #contexts = 0;
  readonly #writes = new Bucket();
  readonly #bytes = new Bucket();

  /** Checks the limits and charges nothing. @param now milliseconds */
  excess(need: QuotaNeed, bounds: Bounds, now: number): Excess | undefined {
    return (
      over('calls', this.#calls, need.calls, bounds) ??
      over('streams', this.#streams, need.streams, bounds) ??
      over('subscriptions', this.#subscriptions, need.subscriptions, bounds) ??
      tooFast('writesPerSecond', this.#writes, need.writesPerSecond, bounds, now) ??
      tooFast('bytesPerSecond', this.#bytes, need.bytesPerSecond, bounds, now)
    );
  }

  /** Charges the need. Call right after `excess`, with the same `now`. */
  take(need: QuotaNeed): void {
    this.#hold(need, 1);
    this.#writes.take(need.writesPerSecond);
    this.#bytes.take(need.bytesPerSecond);
  }

  /** Charges bytes that a call cost beyond its need: later calls wait until they are paid back. */
  owe(bytes: number, bounds: Bounds, now: number): void {
    if (bounds.bytesPerSecond !== Infinity) this.#bytes.owe(bytes, bounds.bytesPerSecond, now);
  }

  /** The call has ended. */
  release(need: QuotaNeed): void {
    this.#hold(need, -1);
  }

  /** Counts contexts that a watch follows from now on; a negative `more` counts contexts that it no longer follows. */
  follow(more: number, bounds: Bounds): Excess | undefined {
    this.#contexts += more;
    const limit = bounds.contexts;
    return more > 0 && this.#contexts > limit ? { name: 'contexts', limit, wait: undefined } : undefined;
  }

  /** Whether the account equals a new one and may be dropped. */
  idle(bounds: Bounds, now: number): boolean {
    const busy = this.#calls + this.#streams > 0;
    return !busy && this.#writes.idle(bounds.writesPerSecond, now) && this.#bytes.idle(bounds.bytesPerSecond, now);
  }

  #hold(need: QuotaNeed, sign: 1 | -1): void {
    this.#calls += sign * need.calls;
    this.#streams += sign * need.streams;
    this.#subscriptions += sign * need.subscriptions;
  }
}

/** Later limits override earlier ones. */
export function boundsOf(...limits: readonly Limits[]): Bounds {
  const none = Infinity;
  const unbounded = { streams: none, subscriptions: none, contexts: none, calls: none };
  return Object.assign({ ...unbounded, writesPerSecond: none, bytesPerSecond: none }, ...limits);
}

function over(name: LimitName, used: number, more: number, bounds: Bounds): Excess | undefined {
  const limit = bounds[name];
  if (more === 0 || used + more <= limit) return undefined;
  return { name, limit, wait: more > limit ? undefined : WAIT_FOR_OTHERS };
}

function tooFast(name: LimitName, bucket: Bucket, amount: number, bounds: Bounds, now: number): Excess | undefined {
  const limit = bounds[name];
  const wait = amount > 0 ? bucket.wait(amount, limit, now) : 0;
  return wait > 0 ? { name, limit, wait } : undefined;
}
