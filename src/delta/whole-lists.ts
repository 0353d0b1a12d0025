import { getMember, isObject, type Json, type JsonObject } from '../model/model.js';
import { apply } from './apply.js';
import { DeltaMismatch } from './mismatch.js';
import type { Change, Changes, Path } from './types.js';

export function hasSplices(changes: Changes): boolean {
  return changes.some(({ action }) => action === 'spliced');
}

/** The same changes, but each spliced list of the document as one `modified`, old list to new. Throws DeltaMismatch. */
export function unsplice(changes: Changes, before: JsonObject, after = apply(changes, before)): Change[] {
  const whole = new Set<string>();
  return changes.flatMap((change): Change[] => {
    if (change.action !== 'spliced') return [change];
    const { path } = change;
    const name = JSON.stringify(path);
    if (whole.has(name)) return [];
    whole.add(name);
    return [{ action: 'modified', path, value: valueAt(after, path), old: valueAt(before, path) }];
  });
}

function valueAt(document: JsonObject, path: Path): Json {
  let value: Json | undefined = document;
  for (const key of path) value = isObject(value) ? getMember(value, key) : undefined;
  if (value === undefined) throw new DeltaMismatch(path, 'does not exist');
  return value;
}
