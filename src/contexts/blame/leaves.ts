/** The leaves of a document, in the order of their paths: a walk of the objects alone. */
import { codePoints } from '../../delta/text.js';
import type { Path } from '../../delta/types.js';
import { getMember, hasMember, isObject, type Json, type JsonObject } from '../../model/model.js';

/** A value that is no object with members. */
export interface Leaf {
  readonly path: Path;
  readonly value: Json;
  /** Elements of a list, code points of a string. 0: it is empty, or neither of both. */
  readonly length: number;
}

interface Wanted {
  readonly children: Map<string, Wanted>;
  whole: boolean;
}

/** A leaf; or undefined, where a step of the walk ends that has found none. */
export type Leaves = Generator<Leaf | undefined, void>;

/** Keys that are sorted in one step. */
const SORTED_AT_ONCE = 1024;

/** Those at and below the paths; where there is no list of paths, all. The document itself is a leaf where it is empty. */
export function* leavesOf(document: JsonObject, paths: readonly Path[] | undefined): Leaves {
  if (!paths) yield* below(document, []);
  else yield* within(document, wantedOf(paths), []);
}

function wantedOf(paths: readonly Path[]): Wanted {
  const root: Wanted = { children: new Map(), whole: false };
  for (const path of paths) {
    let node = root;
    for (const key of path) {
      let child = node.children.get(key);
      if (!child) {
        child = { children: new Map(), whole: false };
        node.children.set(key, child);
      }
      node = child;
    }
    node.whole = true;
  }
  return root;
}

function* within(value: Json, { children, whole }: Wanted, path: Path): Leaves {
  if (whole) yield* below(value, path);
  else if (isObject(value)) {
    for (const key of [...children.keys()].sort()) {
      if (hasMember(value, key)) {
        yield* within(getMember(value, key) as Json, children.get(key) as Wanted, [...path, key]);
      }
    }
  }
}

function* below(value: Json, path: Path): Leaves {
  const keys = isObject(value) ? Object.keys(value) : [];
  if (keys.length === 0) yield { path, value, length: lengthOf(value) };
  for (const key of yield* sorted(keys)) yield* below(getMember(value as JsonObject, key) as Json, [...path, key]);
}

/** Merge sort: an object may have more keys than can be sorted in a turn of the event loop. */
function* sorted(keys: string[]): Generator<undefined, string[]> {
  if (keys.length <= SORTED_AT_ONCE) return keys.sort();
  const half = keys.length >> 1;
  const left = yield* sorted(keys.slice(0, half));
  const right = yield* sorted(keys.slice(half));
  for (let at = 0, l = 0, r = 0; at < keys.length; at++) {
    if (at % SORTED_AT_ONCE === 0) yield undefined;
    const fromLeft = r === right.length || (l < left.length && left[l]! < right[r]!);
    keys[at] = fromLeft ? left[l++]! : right[r++]!;
  }
  return keys;
}

function lengthOf(value: Json): number {
  if (Array.isArray(value)) return value.length;
  return typeof value === 'string' ? codePoints(value) : 0;
}
