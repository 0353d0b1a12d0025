/** Changed lists and strings as whole values, in place of splices. */
import { getMember, isObject, type Json, type JsonObject } from '../model/model.js';
import { apply, applyInPlace } from './apply.js';
import { DeltaMismatch } from './mismatch.js';
import type { Change, Changes, Path } from './types.js';

/** What comes whole: changed strings, or changed lists too. */
export type Whole = 'strings' | 'lists and strings';

export function hasSplices(changes: Changes, whole: Whole): boolean {
  return changes.some((change) => isSpliced(change, whole));
}

/** The same changes, but each spliced value of the document as one `modified`, old value to new. Throws DeltaMismatch. */
export function unsplice(changes: Changes, whole: Whole, before: JsonObject, after = apply(changes, before)): Change[] {
  return modified(changes, whole, (path) => [valueAt(before, path), valueAt(after, path)]);
}

/**
 * The same, and applies the changes to the document in place. The result shares values with the document: it is valid until
 * the document changes again.
 */
export function unspliceInPlace(changes: Changes, whole: Whole, document: JsonObject): Change[] {
  const olds = new Map<string, Json>();
  for (const change of changes) {
    const name = JSON.stringify(change.path);
    if (!isSpliced(change, whole) || olds.has(name)) continue;
    const old = valueAt(document, change.path);
    olds.set(name, Array.isArray(old) ? old.slice() : old);
  }
  applyInPlace(changes, document);
  return modified(changes, whole, (path, name) => [olds.get(name)!, valueAt(document, path)]);
}

function modified(
  changes: Changes,
  whole: Whole,
  valuesAt: (path: Path, name: string) => [old: Json, now: Json],
): Change[] {
  const done = new Set<string>();
  return changes.flatMap((change): Change[] => {
    if (!isSpliced(change, whole)) return [change];
    const { path } = change;
    const name = JSON.stringify(path);
    if (done.has(name)) return [];
    done.add(name);
    const [old, value] = valuesAt(path, name);
    return [{ action: 'modified', path, value, old }];
  });
}

function isSpliced({ action }: Change, whole: Whole): boolean {
  return action === 'text_spliced' || (action === 'spliced' && whole === 'lists and strings');
}

function valueAt(document: JsonObject, path: Path): Json {
  let value: Json | undefined = document;
  for (const key of path) value = isObject(value) ? getMember(value, key) : undefined;
  if (value === undefined) throw new DeltaMismatch(path, 'does not exist');
  return value;
}
