/**
 * Long work. It runs in steps and yields to the event loop between them, and few long works run at once, because each
 * one holds its input in memory.
 */

import { ChangeReader } from '../codec/changes.js';
import { decodeStructInSteps } from '../codec/struct.js';
import type { Change } from '../delta/types.js';
import type { JsonObject, Payload } from '../model/model.js';
import { Slots } from '../model/slots.js';
import { Turns } from '../model/turns.js';

/** Bytes that one step decodes, applies or encodes. In the worst case, tiny values, a step takes some 20 ms. */
const STEP_BYTES = 1 << 17;
/** Work of up to this many bytes runs at once, in one step, and waits for no other work. */
export const SMALL_BYTES = 1 << 18;
/** Long works that run at once, of all kinds together: there is one event loop. */
const AT_ONCE = 2;

/** Milliseconds after which `TimeSlices` yields. */
const SLICE_MS = 10;

/** Of all long works together, one step runs in each turn of the event loop. */
const turns = new Turns();

/** The steps of a work that is measured in time: many small works, of which some may be large. */
export class TimeSlices {
  #began = performance.now();

  /** Call between two works. Answers a promise to await where they have taken a slice of time, else undefined. */
  next(): Promise<void> | undefined {
    if (performance.now() - this.#began < SLICE_MS) return undefined;
    return this.#yield();
  }

  async #yield(): Promise<void> {
    await turns.next();
    this.#began = performance.now();
  }
}

/** The steps of one long work. */
export class Pace {
  #spent = 0;

  /** Ends the step. */
  turn(): Promise<void> {
    this.#spent = 0;
    return turns.next();
  }

  /** Counts bytes of work. Answers a promise to await where the step ends, else undefined. */
  spend(bytes: number): Promise<void> | undefined {
    this.#spent += bytes;
    return this.#spent < STEP_BYTES ? undefined : this.turn();
  }
}

const slots = new Slots(AT_ONCE);

/** Decodes a document that `encodeStruct` wrote. */
export async function documentInSteps(bytes: Uint8Array, pace: Pace): Promise<JsonObject> {
  const steps = decodeStructInSteps(bytes);
  for (let read = 0, step = steps.next(); ; step = steps.next()) {
    if (step.done) return step.value;
    const turn = pace.spend(step.value - read);
    read = step.value;
    if (turn !== undefined) await turn;
  }
}

/** Decodes a record's changes with their old values; each step yields its changes. */
export async function* changesInSteps({ changes, olds }: Payload, pace: Pace): AsyncGenerator<Change[]> {
  const reader = new ChangeReader(changes, olds);
  let step: Change[] = [];
  for (let read = 0, change = reader.next(); change; change = reader.next()) {
    step.push(change);
    const turn = pace.spend(reader.read - read);
    read = reader.read;
    if (turn === undefined) continue;
    yield step;
    await turn;
    step = [];
  }
  yield step;
}

/** Runs a long work when its turn comes. A long work must not wait for another one. */
export function paced<T>(work: (pace: Pace) => Promise<T>): Promise<T> {
  return slots.run(() => work(new Pace()));
}
