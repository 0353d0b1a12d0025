/**
 * Long work. It runs in steps and yields to the event loop between them, and few long works run at once, because each
 * one holds its input in memory.
 */

import { decodeChangesInSteps } from '../codec/changes-steps.js';
import type { Change, Changes } from '../delta/types.js';
import type { Payload } from '../model/model.js';
import { Slots } from '../model/slots.js';
import { LOOK_BYTES, LOOK_EVERY, type Steps } from '../model/steps.js';
import { Turns } from '../model/turns.js';

/** A step ends after so many bytes of work, and after so many milliseconds. */
const STEP_BYTES = 1 << 17;
const STEP_MS = 8;
/** Work of up to this many bytes runs at once, in one step, and waits for no other work. */
export const SMALL_BYTES = 1 << 18;
/** Long works that run at once, of all kinds together: there is one event loop. */
const AT_ONCE = 2;

/** Of all long works together, one step runs in each turn of the event loop. */
const turns = new Turns();

/** The steps of one long work. */
export class Pace {
  #spent = 0;
  /** Bytes since the clock was last looked at. */
  #unseen = 0;
  #began = performance.now();

  /** Ends the step. */
  async turn(): Promise<void> {
    await turns.next();
    this.#spent = this.#unseen = 0;
    this.#began = performance.now();
  }

  /** Counts bytes of work. Answers a promise to await where the step ends, else undefined. */
  spend(bytes: number): Promise<void> | undefined {
    this.#spent += bytes;
    this.#unseen += bytes;
    if (this.#spent >= STEP_BYTES) return this.turn();
    return this.#unseen < LOOK_BYTES ? undefined : this.look();
  }

  /** The same between two works of which some may be large, without a count: a step then ends by the clock alone. */
  look(): Promise<void> | undefined {
    this.#unseen = 0;
    return performance.now() - this.#began < STEP_MS ? undefined : this.turn();
  }
}

const slots = new Slots(AT_ONCE);

/** Runs work in steps to its result. */
export async function inSteps<T>(steps: Steps<T>, pace: Pace): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    const turn = pace.spend(step.value);
    if (turn !== undefined) await turn;
  }
}

/** Decodes a record's changes with their old values; each step yields its changes. */
export async function* changesInSteps(payload: Payload, pace: Pace): AsyncGenerator<Change[]> {
  let some: Change[] = [];
  const decoding = decodeChangesInSteps(payload, (change) => some.push(change));
  for (let step = decoding.next(); !step.done; step = decoding.next()) {
    const turn = pace.spend(step.value);
    if (turn === undefined) continue;
    await turn;
    yield some;
    some = [];
  }
  yield some;
}

/** Works on changes, some at a time. */
export async function eachInSteps(
  changes: Changes,
  pace: Pace,
  work: (some: Changes) => void,
  atOnce = LOOK_EVERY,
): Promise<void> {
  for (let i = 0; i < changes.length; i += atOnce) {
    work(changes.length <= atOnce ? changes : changes.slice(i, i + atOnce));
    const turn = pace.look();
    if (turn !== undefined) await turn;
  }
}

/** Runs a long work when its turn comes. A long work must not wait for another one. */
export function paced<T>(work: (pace: Pace) => Promise<T>): Promise<T> {
  return slots.run(() => work(new Pace()));
}
