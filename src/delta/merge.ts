/**
 * Merges consecutive deltas into one. A tree by path holds the merged state of each changed place. A later change folds
 * into the tree: below a place with a known value into that value, above changed places by undoing the earlier changes.
 */
import { getMember, isObject, type Json, setMember } from '../model/model.js';
import { applyOne, type Owned, Splices, writable } from './apply.js';
import { diffCompact, spliced } from './diff.js';
import { DeltaMismatch, known } from './mismatch.js';
import { Pieces, splicesOf, undoHunks } from './piece-table.js';
import type { Change, Changes, Path, Spliced } from './types.js';

/** A place in the document: a replaced value, a list with splices, or an object with changes below. */
type Place = Replaced | SplicedList | Changed;

interface Replaced {
  readonly kind: 'replaced';
  /** undefined: the place was absent. */
  readonly old: Json | undefined;
  value: Json | undefined;
}

interface SplicedList {
  readonly kind: 'spliced';
  readonly pieces: Pieces;
}

interface Changed {
  readonly kind: 'changed';
  readonly members: Map<string, Place>;
}

/**
 * One delta with the effect of all, from the first old values to the last new ones; changes that cancel out are dropped.
 * The inputs must carry old values and follow upon one another; they are not changed. Throws DeltaMismatch.
 */
export function merge(deltas: readonly Changes[]): Change[] {
  const merging = new Merge();
  for (const changes of deltas) {
    for (const change of changes) merging.add(change);
  }
  return merging.result();
}

/** The same as `merge`, one change at a time. */
export class Merge {
  readonly #root: Changed = { kind: 'changed', members: new Map() };
  /** The copied containers of known values, and the pending splices of lists in those values. */
  readonly #own: Own = { owned: new Set(), splices: new Splices() };

  /** Adds the next change in order of time. Throws DeltaMismatch. */
  add(change: Change): void {
    fold(change, this.#root, this.#own);
  }

  /** All added changes as one delta. To be called once, at the end. */
  result(): Change[] {
    this.#own.splices.flush();
    const into: Change[] = [];
    collect(this.#root, [], into);
    return into;
  }
}

interface Own {
  readonly owned: Owned;
  readonly splices: Splices;
}

function fold(change: Change, root: Changed, own: Own): void {
  const { path } = change;
  const last = path.length - 1;
  if (last < 0) throw new DeltaMismatch(path, 'a path needs a key');
  let parent = root;
  for (let i = 0; i < last; i++) {
    let place = parent.members.get(path[i]!);
    if (place === undefined) {
      place = { kind: 'changed', members: new Map() };
      parent.members.set(path[i]!, place);
    }
    if (place.kind === 'replaced') {
      foldBelow(change, i + 1, place, own);
      return;
    }
    if (place.kind === 'spliced') throw new DeltaMismatch(path, `key ${i} leads to a list`);
    parent = place;
  }

  const key = path[last]!;
  const place = parent.members.get(key);
  if (change.action === 'spliced') {
    const next = foldSplice(change, place, own);
    if (next !== place) parent.members.set(key, next);
  } else if (place?.kind === 'replaced') {
    foldValue(change, place);
  } else {
    parent.members.set(key, replacedBy(change, place));
  }
}

/** A change below a known value becomes part of that value. */
function foldBelow(change: Change, depth: number, place: Replaced, { owned, splices }: Own): void {
  if (!isObject(place.value)) throw new DeltaMismatch(change.path, `key ${depth - 1} does not lead to an object`);
  const object = writable(place.value, owned);
  place.value = object;
  applyOne(change, depth, object, owned, splices);
}

function foldSplice(change: Spliced, place: Place | undefined, { owned, splices }: Own): Place {
  if (place?.kind === 'replaced') {
    if (!Array.isArray(place.value)) throw new DeltaMismatch(change.path, 'is not a list');
    const list = writable(place.value, owned);
    splices.splice(list, change);
    place.value = list;
    return place;
  }
  if (place?.kind === 'changed') throw new DeltaMismatch(change.path, 'is not a list');
  const list: SplicedList = place ?? { kind: 'spliced', pieces: new Pieces() };
  list.pieces.add(change.index, change.removedCount, known(change.removed, change), change.inserted);
  return list;
}

type ValueChange = Exclude<Change, Spliced>;

/** A change of a known value: the newer value replaces the older one. */
function foldValue(change: ValueChange, place: Replaced): void {
  if ((place.value === undefined) !== (change.action === 'added')) {
    throw new DeltaMismatch(change.path, `${change.action}, but ${place.value === undefined ? 'absent' : 'present'}`);
  }
  place.value = change.action === 'removed' ? undefined : change.value;
}

/** A change of a value that was not known before: its old value, with the earlier changes at or below the place undone. */
function replacedBy(change: ValueChange, place: Place | undefined): Replaced {
  if (change.action === 'added') {
    if (place !== undefined) throw new DeltaMismatch(change.path, 'added, but present');
    return { kind: 'replaced', old: undefined, value: change.value };
  }
  const old = known(change.old, change);
  return {
    kind: 'replaced',
    old: place === undefined ? old : original(place, old, change.path),
    value: change.action === 'removed' ? undefined : change.value,
  };
}

/** The value at a place before its changes, computed from the value after them. */
function original(place: Place, now: Json | undefined, path: Path): Json | undefined {
  if (place.kind === 'replaced') return place.old;
  if (place.kind === 'spliced') {
    const before = Array.isArray(now) ? undoHunks(place.pieces.hunks(), now) : undefined;
    if (before === undefined) throw new DeltaMismatch(path, 'the old value does not follow from the splices before');
    return before;
  }
  if (!isObject(now)) throw new DeltaMismatch(path, 'the old value does not follow from the changes before');
  const before = { ...now };
  for (const [key, member] of place.members) {
    const old = original(member, getMember(now, key), path);
    if (old === undefined) delete before[key];
    else setMember(before, key, old);
  }
  return before;
}

function collect(place: Place, path: string[], into: Change[]): void {
  if (place.kind === 'replaced') {
    diffCompact(path, place.old, place.value, into);
  } else if (place.kind === 'spliced') {
    for (const splice of splicesOf(place.pieces.hunks())) into.push(spliced(path, splice));
  } else {
    for (const [key, member] of place.members) {
      path.push(key);
      collect(member, path, into);
      path.pop();
    }
  }
}
