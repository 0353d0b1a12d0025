/** Computes the changes between two documents. Changes refer to the values of the documents and do not copy them. */
import { getMember, hasMember, isObject, type Json, type JsonObject } from '../model/model.js';
import { LOOK_BYTES, LOOK_EVERY, type Steps } from '../model/steps.js';
import { spliceBetween, spliced } from './list.js';
import { DeltaMismatch } from './mismatch.js';
import { diffText } from './text.js';
import { type Change, type Path, pathLength } from './types.js';
import { weigh } from './weigh.js';

/** The changes that turn `before` into `after`; the list is empty exactly where the documents are equal. */
export function diff(before: JsonObject, after: JsonObject): Change[] {
  const into: Change[] = [];
  diffObjects([], before, after, into);
  return into;
}

/** As `diff`, in steps. The documents must not change meanwhile. */
export function* diffInSteps(before: JsonObject, after: JsonObject): Steps<Change[]> {
  const into: Change[] = [];
  yield* diffObjectsInSteps([], before, after, into);
  return into;
}

/**
 * Appends the changes that turn the member at `path` from `before` into `after`; undefined means that the member is
 * absent. Throws DeltaMismatch where the path is empty and a value is not an object.
 */
export function diffAt(path: Path, before: Json | undefined, after: Json | undefined, into: Change[]): void {
  if (path.length === 0 && !(isObject(before) && isObject(after))) {
    throw new DeltaMismatch(path, 'the root is always an object');
  }
  diffValues([...path], before, after, into);
}

/** Characters: shorter paths in sum are not compared with the weight of the values. */
const PATHS_MAX = 65_536;

/**
 * As `diffAt`; but where the paths of the changed members outweigh the values, as very long keys may make them, the whole
 * old value is removed and the whole new value is added. So the size of a delta stays in proportion to its values.
 */
export function diffCompact(path: Path, before: Json | undefined, after: Json | undefined, into: Change[]): void {
  const start = into.length;
  diffAt(path, before, after, into);
  if (into.length - start <= 2) return;
  let paths = 0;
  for (let i = start; i < into.length; i++) paths += pathLength(into[i]!.path);
  // With more than one change, both values are objects.
  if (paths <= PATHS_MAX || paths <= weigh(before as Json) + weigh(after as Json)) return;
  into.length = start;
  into.push(
    { action: 'removed', path: [...path], old: before as Json },
    { action: 'added', path: [...path], value: after as Json },
  );
}

// Below, `path` is one array for the whole walk: keys are pushed and popped, and only changes copy the array.

function diffValues(path: string[], before: Json | undefined, after: Json | undefined, into: Change[]): void {
  if (Object.is(before, after)) return;
  if (before === undefined) {
    into.push({ action: 'added', path: path.slice(), value: after! });
  } else if (after === undefined) {
    into.push({ action: 'removed', path: path.slice(), old: before });
  } else if (isObject(before) && isObject(after)) {
    diffObjects(path, before, after, into);
  } else if (Array.isArray(before) && Array.isArray(after)) {
    diffLists(path, before, after, into);
  } else if (typeof before === 'string' && typeof after === 'string') {
    into.push(diffText(path.slice(), before, after));
  } else {
    into.push({ action: 'modified', path: path.slice(), value: after, old: before });
  }
}

function diffObjects(path: string[], before: JsonObject, after: JsonObject, into: Change[]): void {
  const keys = Object.keys(after);
  let kept = 0;
  for (const key of Object.keys(before)) {
    const value = getMember(after, key);
    if (value !== undefined) kept++;
    path.push(key);
    diffValues(path, before[key], value, into);
    path.pop();
  }
  if (kept === keys.length) return;
  for (const key of keys) {
    if (!hasMember(before, key)) into.push({ action: 'added', path: [...path, key], value: after[key]! });
  }
}

function* diffObjectsInSteps(path: string[], before: JsonObject, after: JsonObject, into: Change[]): Steps<void> {
  const keys = Object.keys(after);
  let kept = 0;
  let count = 0;
  for (const key of Object.keys(before)) {
    const [old, value] = [before[key]!, getMember(after, key)];
    if (value !== undefined) kept++;
    path.push(key);
    if (isObject(old) && isObject(value)) yield* diffObjectsInSteps(path, old, value, into);
    else diffValues(path, old, value, into);
    path.pop();
    if (++count % LOOK_EVERY === 0) yield LOOK_BYTES;
  }
  if (kept === keys.length) return;
  for (const key of keys) {
    if (!hasMember(before, key)) into.push({ action: 'added', path: [...path, key], value: after[key]! });
    if (++count % LOOK_EVERY === 0) yield LOOK_BYTES;
  }
}

/**
 * One splice between the common prefix and the common suffix. Without common elements, the whole new list is no larger
 * than the splice; with one common element, even null (5 by `weigh`), the whole list is larger.
 */
function diffLists(path: string[], before: Json[], after: Json[], into: Change[]): void {
  const splice = spliceBetween(before, after);
  if (splice === undefined) return;
  if (splice.removed.length === before.length && splice.inserted.length === after.length) {
    into.push({ action: 'modified', path: path.slice(), value: after, old: before });
  } else {
    into.push(spliced(path, splice));
  }
}
