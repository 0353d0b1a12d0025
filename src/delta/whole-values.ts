/** Changed lists and strings as whole values, in place of splices. */
import { getMember, isObject, type Json, type JsonObject } from '../model/model.js';
import { apply } from './apply.js';
import { DeltaMismatch } from './mismatch.js';
import type { Change, Changes, Path } from './types.js';

/** What comes whole: changed strings, or changed lists too. */
export type Whole = 'strings' | 'lists and strings';

export function hasSplices(changes: Changes, whole: Whole): boolean {
  return changes.some((change) => isSpliced(change, whole));
}

/** The same changes, but each spliced value of the document as one `modified`, old value to new. Throws DeltaMismatch. */
export function unsplice(changes: Changes, whole: Whole, before: JsonObject, after = apply(changes, before)): Change[] {
  const done = new Set<string>();
  return changes.flatMap((change): Change[] => {
    if (!isSpliced(change, whole)) return [change];
    const { path } = change;
    const name = JSON.stringify(path);
    if (done.has(name)) return [];
    done.add(name);
    return [{ action: 'modified', path, value: valueAt(after, path), old: valueAt(before, path) }];
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
