import { getMember, hasMember, isObject, type Json, type JsonObject, setMember } from '../../model/model.js';
import { type Owned, writable } from '../apply.js';
import { DeltaMismatch } from '../mismatch.js';
import type { Change, Path } from '../types.js';
import { type Format, Inexpressible } from './format.js';

/**
 * RFC 7396: a partial document that is merged into the old one; null removes a member. So a merge patch cannot store a
 * null, alone or inside an object (inside a list it can), nor remove a member and put an object in its place at once.
 */
export const mergePatch: Format = {
  wholeLists: true,
  format({ changes }) {
    const patch: JsonObject = {};
    const owned: Owned = new Set([patch]);
    for (const change of changes) {
      const why = put(patch, change, owned);
      if (why !== undefined) return new Inexpressible(why);
    }
    return patch;
  },
};

/** Adds one change to the patch. Answers why the patch cannot express the change, or undefined. */
function put(patch: JsonObject, change: Change, owned: Owned): string | undefined {
  const { path, action } = change;
  if (action === 'spliced' || action === 'text_spliced') {
    throw new DeltaMismatch(path, 'a splice in place of the whole value');
  }
  const where = JSON.stringify(path);
  if (action !== 'removed' && storesNull(change.value)) return `a merge patch cannot store null, as at ${where}`;
  const parent = objectAt(patch, path, owned);
  const key = path.at(-1) as string;
  // An object that replaces a removed one would be merged with the members that the document still has.
  const again = parent && hasMember(parent, key) && action !== 'removed' && isObject(change.value);
  if (!parent || again) return `a merge patch cannot remove and add an object in one place, as at ${where}`;
  setMember(parent, key, action === 'removed' ? null : change.value);
  return undefined;
}

/** The object of the patch that holds the path's last key, created where missing; undefined where a value is in the way. */
function objectAt(patch: JsonObject, path: Path, owned: Owned): JsonObject | undefined {
  let object = patch;
  for (const key of path.slice(0, -1)) {
    const member = getMember(object, key);
    if (member !== undefined && !isObject(member)) return undefined;
    // A value that was added whole is shared: it is copied before the patch writes into it.
    const own = writable(member ?? {}, owned);
    if (own !== member) setMember(object, key, own);
    object = own;
  }
  return object;
}

/** Whether the value is null or has a null in an object at any level: a merge would read that null as a removal. */
function storesNull(value: Json): boolean {
  if (value === null) return true;
  return isObject(value) && Object.values(value).some(storesNull);
}
