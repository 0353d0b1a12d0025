/**
 * Many splices of one list as one picture: hunks in the order of their places, with untouched elements between
 * any two. `index` counts in the list as it is after all of them. The arrays belong to the hunk.
 */
import type { Json } from '../model.js';
import { spliceInPlace } from './apply.js';
import { type Splice, spliceBetween } from './diff.js';

export interface Hunk {
  index: number;
  readonly removed: Json[];
  readonly inserted: Json[];
}

/** Takes in one more splice. Hunks that it overlaps or touches become one with it. */
export function addSplice(hunks: Hunk[], splice: Splice): void {
  const { index, removed, inserted } = splice;
  const end = index + removed.length;
  let next = hunks.length;
  while (next > 0 && hunks[next - 1]!.index > end) next--;
  let first = next;
  while (first > 0 && endOf(hunks[first - 1]!) >= index) first--;

  const only = hunks[first];
  if (next - first === 1 && only!.index <= index && end <= endOf(only!)) {
    spliceInPlace(only!.inserted, index - only!.index, removed.length, inserted);
  } else {
    hunks.splice(first, next - first, joined(hunks.slice(first, next), splice));
    next = first + 1;
  }
  const shift = inserted.length - removed.length;
  for (let i = next; i < hunks.length; i++) hunks[i]!.index += shift;
}

/** A splice together with the hunks that it touches. What lies between the hunks, the splice has removed. */
function joined(touched: readonly Hunk[], { index, removed, inserted }: Splice): Hunk {
  const first = touched[0];
  const last = touched.at(-1);
  const whole: Hunk = { index: Math.min(index, first?.index ?? index), removed: [], inserted: [] };

  let taken = 0;
  for (const hunk of touched) {
    append(whole.removed, removed.slice(taken, Math.max(taken, hunk.index - index)));
    append(whole.removed, hunk.removed);
    taken = endOf(hunk) - index;
  }
  append(whole.removed, removed.slice(taken));

  if (first !== undefined) append(whole.inserted, first.inserted.slice(0, Math.max(0, index - first.index)));
  append(whole.inserted, inserted);
  if (last !== undefined) {
    append(whole.inserted, last.inserted.slice(Math.max(0, index + removed.length - last.index)));
  }
  return whole;
}

/** The list as it was before the hunks; undefined where they do not fit. */
export function undoHunks(hunks: readonly Hunk[], list: readonly Json[]): Json[] | undefined {
  const before: Json[] = [];
  let from = 0;
  for (const hunk of hunks) {
    append(before, list.slice(from, hunk.index));
    append(before, hunk.removed);
    from = endOf(hunk);
  }
  if (from > list.length) return undefined;
  append(before, list.slice(from));
  return before;
}

/** The hunks as splices to apply in this order, each no longer than it must be. */
export function splicesOf(hunks: readonly Hunk[]): Splice[] {
  const splices: Splice[] = [];
  for (const { index, removed, inserted } of hunks) {
    const splice = spliceBetween(removed, inserted);
    if (splice !== undefined) splices.push({ ...splice, index: index + splice.index });
  }
  return splices;
}

function endOf(hunk: Hunk): number {
  return hunk.index + hunk.inserted.length;
}

function append(list: Json[], values: readonly Json[]): void {
  for (const value of values) list.push(value);
}
