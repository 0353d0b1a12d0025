/** Applies changes to a document. */
import { getMember, hasMember, isObject, type Json, type JsonObject, setMember } from '../model/model.js';
import { DeltaMismatch } from './mismatch.js';
import { Pieces } from './piece-table.js';
import type { Change, Changes, Spliced } from './types.js';

/**
 * The containers that the caller created and may therefore write to; all others are copied first. So each container on
 * a changed path is copied once, however many changes go through that container.
 */
export type Owned = Set<JsonObject | Json[]>;

/** The first splices of one list, up to this many, are applied at once; each one moves the tail of the list. */
const DIRECT_MAX = 8;

/**
 * Collects the splices of a list that has many and applies them together, at a cost of one pass over the list. Until
 * `flush` the list keeps its elements; no change in a delta depends on the elements of a list.
 */
export class Splices {
  readonly #lists = new Map<Json[], { count: number; pieces?: Pieces }>();

  /** The list must be writable (see `writable`). Throws DeltaMismatch. */
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
  const splices = changes.length > DIRECT_MAX ? new Splices() : undefined;
  try {
    for (const change of changes) applyOne(change, 0, document, owned, splices);
  } finally {
    splices?.flush();
  }
}

/**
 * Applies one change to `object`, which is at the first `depth` keys of the change's path and is writable.
 * `splices`, where given, collects the splices of lists for later.
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
  splices: Splices | undefined,
): void {
  if (hasMember(parent, key) === (change.action === 'added')) {
    throw new DeltaMismatch(change.path, change.action === 'added' ? 'already exists' : 'does not exist');
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
    throw new DeltaMismatch(path, `cannot remove ${removedCount} elements at ${index} of a list of ${length}`);
  }
}

/** Array.splice for any number of elements: some hundred thousand elements as arguments overflow the stack. */
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

/** The container itself where it is owned, else a copy, owned from now on. Without a set, all containers are owned. */
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
