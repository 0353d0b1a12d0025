import { getMember, hasMember, isObject, type Json, type JsonObject, setMember } from '../../model/model.js';
import { type Owned, writable } from '../apply.js';
import { DeltaMismatch } from '../mismatch.js';
import type { Change, Path } from '../types.js';
import { type Format, Inexpressible } from './format.js';

/**
 * RFC 7396: a partial document that is merged into the old one; null removes. So it cannot store a null, nor any in an
 * object (in a list it can), and it cannot remove a member and put an object in its place in one go.
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

/** Takes one more change into the patch; answers why that cannot be done, if so. */
function put(patch: JsonObject, change: Change, owned: Owned): string | undefined {
  const { path, action } = change;
  if (action === 'spliced') throw new DeltaMismatch(path, 'a splice in place of the whole list');
  const where = JSON.stringify(path);
  if (action !== 'removed' && storesNull(change.value)) return `a merge patch cannot store null: it would at ${where}`;
  const parent = objectAt(patch, path, owned);
  const key = path.at(-1) as string;
  // An object that is put where one was removed before would be merged with what is still there.
  const again = parent && hasMember(parent, key) && action !== 'removed' && isObject(change.value);
  if (!parent || again) return `a merge patch cannot remove and add objects in one place: it would at ${where}`;
  setMember(parent, key, action === 'removed' ? null : change.value);
  return undefined;
}

/** The object of the patch that a path's last key belongs to, made where it is missing; undefined where a value is in the way. */
function objectAt(patch: JsonObject, path: Path, owned: Owned): JsonObject | undefined {
  let object = patch;
  for (const key of path.slice(0, -1)) {
    const member = getMember(object, key);
    if (member !== undefined && !isObject(member)) return undefined;
    // A value that was added whole is shared: it is copied before anything is put into it.
    const own = writable(member ?? {}, owned);
    if (own !== member) setMember(object, key, own);
    object = own;
  }
  return object;
}

/** Whether there is a null at this place, or in an object at or below it: a merge would take it for a removal. */
function storesNull(value: Json): boolean {
  if (value === null) return true;
  return isObject(value) && Object.values(value).some(storesNull);
}
