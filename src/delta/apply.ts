/** From a document and changes to the next document. */
import { getMember, hasMember, isObject, type Json, type JsonObject, setMember } from '../model/model.js';
import { DeltaMismatch } from './mismatch.js';
import { Pieces } from './piece-table.js';
import type { Change, Changes, Spliced } from './types.js';

/**
 * The containers that a caller made itself and may therefore write to; all others are copied first. So each
 * container on a changed path is copied once, however many changes go through it.
 */
export type Owned = Set<JsonObject | Json[]>;

/** So many splices of one list are carried out as they come; each moves the list's tail. */
const DIRECT_MAX = 8;

/**
 * Splices of lists that are carried out together, where they are many: then they cost the list's length once. Until
 * `flush` such a list is as it was before; nothing in a delta depends on what is in a list.
 */
export class Splices {
  readonly #lists = new Map<Json[], { count: number; pieces?: Pieces }>();

  /** The list must be the caller's own. Throws DeltaMismatch. */
  splice(list: Json[], change: Spliced): void {
    let known = this.#lists.get(list);
    if (!known) {
      known = { count: 0 };
      this.#lists.set(list, known);
    }
    const { index, removedCount, inserted } = change;
    checkBounds(change, known.pieces?.length ?? list.length);
    if (known.count++ < DIRECT_MAX) spliceInPlace(list, index, removedCount, inserted);
    else {
      known.pieces ??= new Pieces(list.length);
      known.pieces.add(index, removedCount, undefined, inserted);
    }
  }

  flush(): void {
    for (const [list, { pieces }] of this.#lists) {
      if (pieces) spliceInPlace(list, 0, list.length, pieces.applied(list));
    }
    this.#lists.clear();
  }
}

/** A new document that shares with the old one all that did not change. Throws DeltaMismatch. */
export function apply(changes: Changes, document: JsonObject): JsonObject {
  if (changes.length === 0) return document;
  const owned: Owned = new Set();
  const result = writable(document, owned);
  applyAll(changes, result, owned);
  return result;
}

/**
 * Changes the document itself, at a cost of the changes' size (a splice: and of the list's tail). Values become
 * part of the document: whoever goes on using these changes must not see it changed in place again. Throws
 * DeltaMismatch, with the changes before the unfitting one already applied.
 */
export function applyInPlace(changes: Changes, document: JsonObject): void {
  applyAll(changes, document, undefined);
}

function applyAll(changes: Changes, document: JsonObject, owned: Owned | undefined): void {
  const splices = changes.length > DIRECT_MAX ? new Splices() : undefined;
  try {
    for (const change of changes) applyOne(change, 0, document, owned, splices);
  } finally {
    splices?.flush();
  }
}

/**
 * Applies one change to `object`, which stands at the first `depth` keys of the change's path and is writable.
 * `splices`: where lists are spliced later.
 */
export function applyOne(
  change: Change,
  depth: number,
  object: JsonObject,
  owned: Owned | undefined,
  splices?: Splices,
): void {
  const { path } = change;
  const last = path.length - 1;
  if (last < depth) throw new DeltaMismatch(path, 'a path needs a key');
  let parent = object;
  for (let i = depth; i < last; i++) {
    const child = getMember(parent, path[i]!);
    if (!isObject(child)) throw new DeltaMismatch(path, `no object at key ${i}`);
    parent = writableMember(parent, path[i]!, child, owned);
  }
  applyToMember(change, parent, path[last]!, owned, splices);
}

function applyToMember(
  change: Change,
  parent: JsonObject,
  key: string,
  owned: Owned | undefined,
  splices: Splices | undefined,
): void {
  if (hasMember(parent, key) === (change.action === 'added')) {
    throw new DeltaMismatch(change.path, change.action === 'added' ? 'is there already' : 'is not there');
  }
  switch (change.action) {
    case 'added':
    case 'modified':
      setMember(parent, key, change.value);
      return;
    case 'removed':
      delete parent[key];
      return;
    case 'spliced': {
      const list = getMember(parent, key)!;
      if (!Array.isArray(list)) throw new DeltaMismatch(change.path, 'is not a list');
      const own = writableMember(parent, key, list, owned);
      if (splices) splices.splice(own, change);
      else {
        checkBounds(change, list.length);
        spliceInPlace(own, change.index, change.removedCount, change.inserted);
      }
    }
  }
}

function checkBounds({ path, index, removedCount }: Spliced, length: number): void {
  if (!(index >= 0 && removedCount >= 0 && index + removedCount <= length)) {
    throw new DeltaMismatch(path, `no ${removedCount} elements at ${index} of ${length}`);
  }
}

/** Like Array.splice, for any number of elements: as arguments, some hundred thousand overflow the stack. */
export function spliceInPlace(list: Json[], index: number, removedCount: number, inserted: readonly Json[]): void {
  if (inserted.length < 1000) {
    list.splice(index, removedCount, ...inserted);
    return;
  }
  const tail = list.slice(index + removedCount);
  list.length = index;
  for (const value of inserted) list.push(value);
  for (const value of tail) list.push(value);
}

/** The container itself where it is owned, else a copy, owned from now on. No set: everything is owned. */
export function writable<T extends JsonObject | Json[]>(container: T, owned: Owned | undefined): T {
  if (owned === undefined || owned.has(container)) return container;
  const copy = (Array.isArray(container) ? container.slice() : { ...container }) as T;
  owned.add(copy);
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
