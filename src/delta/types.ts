/** What a delta is made of. See docs/deltas.md for the laws. */
import type { Json } from '../model/model.js';

/** Object keys from the root, never empty. */
export type Path = readonly string[];

/** In characters. */
export function pathLength(path: Path): number {
  let length = 0;
  for (const key of path) length += key.length;
  return length;
}

/**
 * One change at a path. `old` and `removed` are always present in deltas that the server computes and
 * stores; they are absent in deltas that were sent without them, which apply but do not invert or merge.
 */
export type Change = Added | Modified | Removed | Spliced;

export interface Added {
  readonly action: 'added';
  readonly path: Path;
  readonly value: Json;
}

/** Never with an object on both sides: such a change is the changes of its members. */
export interface Modified {
  readonly action: 'modified';
  readonly path: Path;
  readonly value: Json;
  readonly old?: Json;
}

export interface Removed {
  readonly action: 'removed';
  readonly path: Path;
  readonly old?: Json;
}

/** In the list at `path`, `removedCount` elements at `index` gave way to `inserted`. */
export interface Spliced {
  readonly action: 'spliced';
  readonly path: Path;
  readonly index: number;
  readonly removedCount: number;
  readonly removed?: readonly Json[];
  readonly inserted: readonly Json[];
}

/** Changes in the order in which they apply. */
export type Changes = readonly Change[];
