/** Applies changes to a document. */
import { getMember, hasMember, isObject, type Json, type JsonObject, setMember } from '../model/model.js';
import { DeltaMismatch } from './mismatch.js';
import { checkBounds, DIRECT_MAX, PendingSplices, spliceInPlace, textAt } from './pending-splices.js';
import { checkTextBounds, forgetMeasured, inheritMeasured, keepMeasured, measureMember, spliceText } from './text.js';
import type { Change, Changes, TextSpliced } from './types.js';

/**
 * The containers that the caller created and may therefore write to; all others are copied first. So each container on
 * a changed path is copied once, however many changes go through that container.
 */
export type Owned = Set<JsonObject | Json[]>;

/** A new document; its unchanged values are shared with the old document. Throws DeltaMismatch. */
export function apply(changes: Changes, document: JsonObject): JsonObject {
  if (changes.length === 0) return document;
  const owned: Owned = new Set();
  const result = writable(document, owned);
  applyAll(changes, result, owned);
  return result;
}

/**
 * Changes the document in place. The cost is in proportion to the changes (for a splice, also to the tail of the list).
 * The values of the changes become part of the document: a caller that uses these changes later must not change the
 * document in place again. Throws DeltaMismatch; the changes before the one that does not fit are then applied.
 */
export function applyInPlace(changes: Changes, document: JsonObject): void {
  applyAll(changes, document, undefined);
}

function applyAll(changes: Changes, document: JsonObject, owned: Owned | undefined): void {
  const splices = changes.length > DIRECT_MAX ? new PendingSplices() : undefined;
  try {
    for (const change of changes) applyOne(change, 0, document, owned, splices);
  } finally {
    splices?.flush();
  }
}

/**
 * Applies one change to `object`, which is at the first `depth` keys of the change's path and is writable.
 * `splices`, where given, collects the splices of lists and strings for later.
 */
export function applyOne(
  change: Change,
  depth: number,
  object: JsonObject,
  owned: Owned | undefined,
  splices?: PendingSplices,
): void {
  const { path } = change;
  const last = path.length - 1;
  if (last < depth) throw new DeltaMismatch(path, 'a path needs a key');
  let parent = object;
  for (let i = depth; i < last; i++) {
    const child = getMember(parent, path[i]!);
    if (!isObject(child)) throw new DeltaMismatch(path, `key ${i} does not lead to an object`);
    parent = writableMember(parent, path[i]!, child, owned);
  }
  applyToMember(change, parent, path[last]!, owned, splices);
}

function applyToMember(
  change: Change,
  parent: JsonObject,
  key: string,
  owned: Owned | undefined,
  splices: PendingSplices | undefined,
): void {
  if (hasMember(parent, key) === (change.action === 'added')) {
    throw new DeltaMismatch(change.path, change.action === 'added' ? 'already exists' : 'does not exist');
  }
  switch (change.action) {
    case 'added':
      setMember(parent, key, change.value);
      return;
    case 'modified':
      dropText(parent, key, change.old, splices);
      setMember(parent, key, change.value);
      return;
    case 'removed':
      dropText(parent, key, change.old, splices);
      delete parent[key];
      return;
    case 'spliced': {
      const list = getMember(parent, key)!;
      if (!Array.isArray(list)) throw new DeltaMismatch(change.path, 'is not a list');
      const own = writableMember(parent, key, list, owned);
      if (splices) splices.list(own, change);
      else {
        checkBounds(change, list.length);
        spliceInPlace(own, change.index, change.removedCount, change.inserted);
      }
      return;
    }
    case 'text_spliced':
      if (splices) splices.text(parent, key, change);
      else spliceMember(parent, key, change);
  }
}

function spliceMember(parent: JsonObject, key: string, change: TextSpliced): void {
  const measured = measureMember(parent, key, textAt(parent, key, change.path));
  checkTextBounds(change, measured.points);
  const after = spliceText(measured, change.index, change.removedCount, change.inserted);
  setMember(parent, key, after.text);
  keepMeasured(parent, key, after);
}

/** The member is replaced or removed. */
function dropText(parent: JsonObject, key: string, old: Json | undefined, splices: PendingSplices | undefined): void {
  splices?.drop(parent, key);
  forgetMeasured(parent, key, old);
}

/** The container itself where it is owned, else a copy, owned from now on. Without a set, all containers are owned. */
export function writable<T extends JsonObject | Json[]>(container: T, owned: Owned | undefined): T {
  if (owned === undefined || owned.has(container)) return container;
  const copy = (Array.isArray(container) ? container.slice() : { ...container }) as T;
  owned.add(copy);
  inheritMeasured(copy, container);
  return copy;
}

function writableMember<T extends JsonObject | Json[]>(
  parent: JsonObject,
  key: string,
  child: T,
  owned: Owned | undefined,
): T {
  const own = writable(child, owned);
  if (own !== child) setMember(parent, key, own);
  return own;
}
