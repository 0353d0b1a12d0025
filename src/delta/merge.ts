/**
 * Merges consecutive deltas into one. A tree by path holds the merged state of each changed place. A later change folds
 * into the tree: below a place with a known value into that value, above changed places by undoing the earlier changes.
 */
import { getMember, isObject, type Json, setMember } from '../model/model.js';
import { LOOK_BYTES, LOOK_EVERY, type Steps } from '../model/steps.js';
import { applyOne, type Owned, writable } from './apply.js';
import { diffCompact } from './diff.js';
import { ListRun, spliced, splicesOf } from './list.js';
import { DeltaMismatch, known } from './mismatch.js';
import { PendingSplices, TextBuffer } from './pending-splices.js';
import { Pieces, undoHunks } from './piece-table.js';
import { TextRun, textSplicesOf } from './text.js';
import type { Change, Changes, Path, Spliced, TextSpliced } from './types.js';

/** A place in the document: a replaced value, a list or a string with splices, or an object with changes below. */
type Place = Replaced | SplicedList | SplicedText | Changed;

interface Replaced {
  readonly kind: 'replaced';
  /** undefined: the place was absent. */
  readonly old: Json | undefined;
  value: Json | undefined;
  /** The value is a string, with these splices. */
  text?: TextBuffer | undefined;
}

interface SplicedList {
  readonly kind: 'spliced';
  readonly pieces: Pieces<ListRun>;
}

interface SplicedText {
  readonly kind: 'text_spliced';
  readonly pieces: Pieces<TextRun>;
  /** Of the string before the first splice. */
  readonly oldBytes: number | undefined;
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
  readonly #own: Own = { owned: new Set(), splices: new PendingSplices() };

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

  /** As `result`, in steps. */
  *resultInSteps(): Steps<Change[]> {
    this.#own.splices.flush();
    const into: Change[] = [];
    yield* collectInSteps(this.#root, [], into);
    return into;
  }
}

interface Own {
  readonly owned: Owned;
  readonly splices: PendingSplices;
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
    if (place.kind !== 'changed') throw new DeltaMismatch(path, `key ${i} does not lead to an object`);
    parent = place;
  }

  const key = path[last]!;
  const place = parent.members.get(key);
  if (change.action === 'spliced') {
    const next = foldSplice(change, place, own);
    if (next !== place) parent.members.set(key, next);
  } else if (change.action === 'text_spliced') {
    const next = foldTextSplice(change, place);
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
    splices.list(list, change);
    place.value = list;
    return place;
  }
  if (place && place.kind !== 'spliced') throw new DeltaMismatch(change.path, 'is not a list');
  const list: SplicedList = place ?? { kind: 'spliced', pieces: new Pieces() };
  const removed = new ListRun(known(change.removed, change));
  list.pieces.add(change.index, change.removedCount, removed, new ListRun(change.inserted));
  return list;
}

function foldTextSplice(change: TextSpliced, place: Place | undefined): Place {
  if (place?.kind === 'replaced') {
    if (typeof place.value !== 'string') throw new DeltaMismatch(change.path, 'is not a string');
    place.text ??= new TextBuffer(place.value);
    place.text.splice(change);
    return place;
  }
  if (place && place.kind !== 'text_spliced') throw new DeltaMismatch(change.path, 'is not a string');
  const text: SplicedText = place ?? { kind: 'text_spliced', pieces: new Pieces(), oldBytes: change.oldBytes };
  const removed = new TextRun(known(change.removed, change), change.removedCount);
  text.pieces.add(change.index, change.removedCount, removed, new TextRun(change.inserted));
  return text;
}

type ValueChange = Exclude<Change, Spliced | TextSpliced>;

/** A change of a known value: the newer value replaces the older one. */
function foldValue(change: ValueChange, place: Replaced): void {
  if ((place.value === undefined) !== (change.action === 'added')) {
    throw new DeltaMismatch(change.path, `${change.action}, but ${place.value === undefined ? 'absent' : 'present'}`);
  }
  place.value = change.action === 'removed' ? undefined : change.value;
  place.text = undefined;
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
  if (place.kind === 'spliced' || place.kind === 'text_spliced') {
    const before = unspliced(place, now);
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

function unspliced(place: SplicedList | SplicedText, now: Json | undefined): Json | undefined {
  if (place.kind === 'spliced') {
    const before = Array.isArray(now) ? undoHunks(place.pieces.hunks(), new ListRun(now)) : undefined;
    return before && ListRun.join(before);
  }
  const before = typeof now === 'string' ? undoHunks(place.pieces.hunks(), new TextRun(now)) : undefined;
  return before && TextRun.join(before);
}

function collect(place: Place, path: string[], into: Change[]): void {
  if (place.kind === 'replaced') {
    diffCompact(path, place.old, place.text ? place.text.text() : place.value, into);
  } else if (place.kind === 'spliced') {
    for (const splice of splicesOf(place.pieces.hunks())) into.push(spliced(path, splice));
  } else if (place.kind === 'text_spliced') {
    for (const splice of textSplicesOf(path, place.pieces.hunks(), place.oldBytes)) into.push(splice);
  } else {
    for (const [key, member] of place.members) {
      path.push(key);
      collect(member, path, into);
      path.pop();
    }
  }
}

function* collectInSteps(place: Place, path: string[], into: Change[]): Steps<void> {
  let count = 0;
  if (place.kind === 'changed') {
    for (const [key, member] of place.members) {
      path.push(key);
      if (member.kind === 'changed' || member.kind === 'spliced') yield* collectInSteps(member, path, into);
      else collect(member, path, into);
      path.pop();
      if (++count % LOOK_EVERY === 0) yield LOOK_BYTES;
    }
  } else if (place.kind === 'spliced') {
    const hunks = place.pieces.hunks();
    for (let i = 0; i < hunks.length; i += LOOK_EVERY) {
      for (const splice of splicesOf(hunks.slice(i, i + LOOK_EVERY))) into.push(spliced(path, splice));
      yield LOOK_BYTES;
    }
  } else collect(place, path, into);
}
