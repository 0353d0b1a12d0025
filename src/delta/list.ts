/** Lists under splices. */
import type { Json } from '../model/model.js';
import { equal } from './equal.js';
import type { Hunk, Run } from './piece-table.js';
import type { Change, Path } from './types.js';

/** A part of a list, which is not copied. */
export class ListRun implements Run<ListRun> {
  constructor(
    private readonly values: readonly Json[],
    private readonly from = 0,
    readonly length = values.length - from,
  ) {}

  split(at: number): [ListRun, ListRun] {
    const { values, from, length } = this;
    return [new ListRun(values, from, at), new ListRun(values, from + at, length - at)];
  }

  /** The elements of the runs, one after the other. */
  static join(runs: readonly ListRun[]): Json[] {
    const list: Json[] = [];
    for (const { values, from, length } of runs) {
      for (let i = from; i < from + length; i++) list.push(values[i]!);
    }
    return list;
  }
}

/** A replacement in a list: `inserted` takes the place of the elements `removed` at `index`. */
export interface Splice {
  readonly index: number;
  readonly removed: readonly Json[];
  readonly inserted: readonly Json[];
}

/** The elements between the longest common prefix and the longest common suffix; undefined where the lists are equal. */
export function spliceBetween(before: readonly Json[], after: readonly Json[]): Splice | undefined {
  const shorter = Math.min(before.length, after.length);
  let prefix = 0;
  while (prefix < shorter && equal(before[prefix]!, after[prefix]!)) prefix++;
  if (prefix === before.length && prefix === after.length) return undefined;

  let suffix = 0;
  while (suffix < shorter - prefix && equal(before.at(-1 - suffix)!, after.at(-1 - suffix)!)) suffix++;
  return {
    index: prefix,
    removed: before.slice(prefix, before.length - suffix),
    inserted: after.slice(prefix, after.length - suffix),
  };
}

export function spliced(path: Path, { index, removed, inserted }: Splice): Change {
  return { action: 'spliced', path: path.slice(), index, removedCount: removed.length, removed, inserted };
}

/** The hunks as splices to apply in this order; each splice has minimal length. */
export function splicesOf(hunks: readonly Hunk<ListRun>[]): Splice[] {
  const splices: Splice[] = [];
  for (const { index, removed, inserted } of hunks) {
    const splice = spliceBetween(ListRun.join(removed), ListRun.join(inserted));
    if (splice !== undefined) splices.push({ ...splice, index: index + splice.index });
  }
  return splices;
}
