/**
 * Long work. It goes in steps, between which all others have their turn, and few such works go on at once: each holds
 * what it reads in memory.
 */

import { Slots } from '../model/slots.js';

/** So much is decoded, applied or encoded in one step. At worst, tiny values, that takes some 20 ms. */
const STEP_BYTES = 1 << 17;
/** What takes no more than this is done at once, and waits for no other work. */
export const SMALL_BYTES = 1 << 18;
/** So many long works go on at once, whatever they are for: there is one event loop. */
const AT_ONCE = 2;

/** The steps of one work. */
export class Pace {
  #spent = 0;

  /** After so many bytes of work; undefined: go on. */
  spend(bytes: number): Promise<void> | undefined {
    this.#spent += bytes;
    if (this.#spent < STEP_BYTES) return undefined;
    this.#spent = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }
}

const slots = new Slots(AT_ONCE);

/** Does a long work when its turn comes. It must not wait for another one. */
export function paced<T>(work: (pace: Pace) => Promise<T>): Promise<T> {
  return slots.run(() => work(new Pace()));
}
