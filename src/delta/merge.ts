/**
 * Many deltas, one after the other, as one. A tree by path holds what is known so far of each place that changed;
 * later changes fold into it: below a known value into that value, above changed places by taking those back.
 */
import { getMember, isObject, type Json, setMember } from '../model/model.js';
import { applyOne, type Owned, Splices, writable } from './apply.js';
import { diffCompact, spliced } from './diff.js';
import { DeltaMismatch, known } from './mismatch.js';
import { Pieces, splicesOf, undoHunks } from './piece-table.js';
import type { Change, Changes, Path, Spliced } from './types.js';

/** A place in the document: replaced as a whole, or a list under splices, or an object with changes below. */
type Place = Replaced | SplicedList | Changed;

interface Replaced {
  readonly kind: 'replaced';
  /** undefined: absent. */
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
 * One delta with the effect of all, from the first old values to the last new ones; what cancels out is gone.
 * The inputs must carry old values, follow upon one another, and stay as they are. Throws DeltaMismatch.
 */
export function merge(deltas: readonly Changes[]): Change[] {
  const merging = new Merge();
  for (const changes of deltas) {
    for (const change of changes) merging.add(change);
  }
  return merging.result();
}

/** The same, change by change. */
export class Merge {
  readonly #root: Changed = { kind: 'changed', members: new Map() };
  /** What was copied of known values, and what is still to be done to lists in them. */
  readonly #own: Own = { owned: new Set(), splices: new Splices() };

  /** The next one in the order of time. Throws DeltaMismatch. */
  add(change: Change): void {
    fold(change, this.#root, this.#own);
  }

  /** All that was added, as one delta. To be called once, at the end. */
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
    if (place.kind === 'spliced') throw new DeltaMismatch(path, `a list at key ${i}`);
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

/** A change below a value that is known: becomes part of that value. */
function foldBelow(change: Change, depth: number, place: Replaced, { owned, splices }: Own): void {
  if (!isObject(place.value)) throw new DeltaMismatch(change.path, `no object at key ${depth - 1}`);
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

/** A change of a value that is known: the newer one counts. */
function foldValue(change: ValueChange, place: Replaced): void {
  if ((place.value === undefined) !== (change.action === 'added')) {
    throw new DeltaMismatch(change.path, `${change.action}, but is ${place.value === undefined ? 'not ' : ''}there`);
  }
  place.value = change.action === 'removed' ? undefined : change.value;
}

/** A change of a value that was not known before: its old value, without what has changed at or below this place. */
function replacedBy(change: ValueChange, place: Place | undefined): Replaced {
  if (change.action === 'added') {
    if (place !== undefined) throw new DeltaMismatch(change.path, 'added, but is there');
    return { kind: 'replaced', old: undefined, value: change.value };
  }
  const old = known(change.old, change);
  return {
    kind: 'replaced',
    old: place === undefined ? old : original(place, old, change.path),
    value: change.action === 'removed' ? undefined : change.value,
  };
}

/** What stood at a place before it changed, from what stands there now. */
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
