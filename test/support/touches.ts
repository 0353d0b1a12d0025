/** What a version touched, by the documents before and after it alone. */
import { equal } from '../../src/delta/index.js';
import { getMember, isObject, type Json, type JsonObject } from '../../src/model/model.js';

/** The path has another value, or a value above it was replaced. */
export function touches(before: JsonObject, after: JsonObject, guarded: readonly string[]): boolean {
  let [old, now]: (Json | undefined)[] = [before, after];
  for (const key of guarded) {
    if (!isObject(old) || !isObject(now)) break;
    [old, now] = [getMember(old, key), getMember(now, key)];
  }
  return old === undefined || now === undefined ? old !== now : !equal(old, now);
}
