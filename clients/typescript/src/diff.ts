/** From two documents to the mutations that make the second of the first. */
import { getMember, isObject, type Json, type JsonObject, keysOf } from './json.js';
import type { Mutation, Path } from './model.js';
import { isPlain } from './struct.js';

/** Sets and removes at the deepest paths at which both have objects; lists and strings are set as a whole. */
export function diff(from: JsonObject, to: JsonObject): Mutation[] {
  const found: Mutation[] = [];
  compare([], from, to, found);
  return found;
}

function compare(path: Path, from: JsonObject, to: JsonObject, found: Mutation[]): void {
  for (const key of Object.keys(from)) {
    if (getMember(to, key) === undefined) found.push({ path: [...path, key], remove: true });
  }
  for (const key of keysOf(to)) {
    const value = to[key] as Json;
    const old = getMember(from, key);
    if (isObject(old) && isObject(value) && isPlain(value)) compare([...path, key], old, value, found);
    else if (old === undefined || !equal(old, value)) found.push({ path: [...path, key], set: value });
  }
}

function equal(a: Json, b: Json): boolean {
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((value, i) => equal(value, b[i] as Json));
  }
  if (!isObject(a)) return Object.is(a, b);
  if (!isObject(b) || !isPlain(b)) return false;
  const keys = keysOf(a);
  return (
    keys.length === keysOf(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key] as Json, b[key] as Json))
  );
}
