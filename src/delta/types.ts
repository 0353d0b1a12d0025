/** The types of a delta. See docs/deltas.md for the laws. */
import type { Json } from '../model/model.js';

/** Object keys from the root, never empty. */
export type Path = readonly string[];

/** The length of all keys, in characters. */
export function pathLength(path: Path): number {
  let length = 0;
  for (const key of path) length += key.length;
  return length;
}

/**
 * One change at a path. Deltas that the server computes and stores always have `old`, `removed` and `oldBytes`. Deltas
 * that were sent without old values lack them: such a delta applies, but cannot be inverted or merged.
 */
export type Change = Added | Modified | Removed | Spliced | TextSpliced;

export interface Added {
  readonly action: 'added';
  readonly path: Path;
  readonly value: Json;
}

/** At least one side is not an object: two objects differ in the changes of their members. */
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

/** In the list at `path`, `inserted` replaces `removedCount` elements at `index`. */
export interface Spliced {
  readonly action: 'spliced';
  readonly path: Path;
  readonly index: number;
  readonly removedCount: number;
  readonly removed?: readonly Json[];
  readonly inserted: readonly Json[];
}

/** In the string at `path`, `inserted` replaces `removedCount` code points at `index`, which counts code points too. */
export interface TextSpliced {
  readonly action: 'text_spliced';
  readonly path: Path;
  readonly index: number;
  readonly removedCount: number;
  readonly removed?: string;
  readonly inserted: string;
  /** The whole string before the splice, in bytes of UTF-8: the weight of a string is not additive. */
  readonly oldBytes?: number;
}

/** Changes in the order in which they apply. */
export type Changes = readonly Change[];
