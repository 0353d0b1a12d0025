/**
 * Long work. It runs in steps and yields to the event loop between them, and few long works run at once, because each
 * one holds its input in memory.
 */

import { Slots } from '../model/slots.js';

/** Bytes that one step decodes, applies or encodes. In the worst case, tiny values, a step takes some 20 ms. */
const STEP_BYTES = 1 << 17;
/** Work of up to this many bytes runs at once, in one step, and waits for no other work. */
export const SMALL_BYTES = 1 << 18;
/** Long works that run at once, of all kinds together: there is one event loop. */
const AT_ONCE = 2;

/** Milliseconds after which `TimeSlices` yields. */
const SLICE_MS = 10;

/** The steps of a work that is measured in time: many small works, of which some may be large. */
export class TimeSlices {
  #began = performance.now();

  /** Call between two works. Answers a promise to await where they have taken a slice of time, else undefined. */
  next(): Promise<void> | undefined {
    if (performance.now() - this.#began < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#began = performance.now();
        resolve();
      });
    });
  }
}

/** The steps of one long work. */
export class Pace {
  #spent = 0;

  /** Counts bytes of work. Answers a promise to await where the step ends, else undefined. */
  spend(bytes: number): Promise<void> | undefined {
    this.#spent += bytes;
    if (this.#spent < STEP_BYTES) return undefined;
    this.#spent = 0;
    return new Promise((resolve) => setImmediate(resolve));
  }
}

const slots = new Slots(AT_ONCE);

/** Runs a long work when its turn comes. A long work must not wait for another one. */
export function paced<T>(work: (pace: Pace) => Promise<T>): Promise<T> {
  return slots.run(() => work(new Pace()));
}
