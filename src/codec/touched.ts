/**
 * What changes touch, read from their bytes without decoding values: their paths, and where splices lie. A stored delta
 * is looked through in time proportional to its number of changes and inserted elements, whatever the size of their values.
 */
import { ChordError, invalid } from '../model/errors.js';
import { LOOK_BYTES, type Steps } from '../model/steps.js';
import { Reader } from './reader.js';

/** At `index` of a list, `inserted` elements replace `removed` ones; or code points of a string. */
export interface Span {
  readonly index: number;
  readonly removed: number;
  readonly inserted: number;
}

/** One change: its path, and its span where it is a splice. */
export interface Touch {
  readonly path: readonly string[];
  readonly span?: Span | undefined;
}

// Tags: field number << 3 | wire type. See changes.ts for the format.
const CHANGES = 0x22; // Delta.changes
const PATH = 0x0a; // Change
const SPLICE = 0x2a;
const TEXT_SPLICE = 0x32;
const INDEX = 0x08; // Splice and TextSplice
const REMOVED_COUNT = 0x10;
const INSERTED = 0x22;

/** Guarded writes look through the same few deltas again and again: what small ones touch is kept as long as they are. */
const KEPT_BYTES_MAX = 256;
const kept = new WeakMap<Uint8Array, readonly Touch[]>();

/** Calls `visit` for each change of a stored delta, in order. DATA_LOSS where the bytes are no changes. */
export function eachTouch(changes: Uint8Array, visit: (touch: Touch) => void): void {
  if (changes.length > KEPT_BYTES_MAX) readEach(changes, visit);
  else for (const each of keptTouches(changes)) visit(each);
}

function keptTouches(changes: Uint8Array): readonly Touch[] {
  const before = kept.get(changes);
  if (before) return before;
  const found: Touch[] = [];
  readEach(changes, (touch) => found.push(touch));
  kept.set(changes, found);
  return found;
}

/** All of them, in order, read in steps. */
export function* touchesInSteps(changes: Uint8Array): Steps<readonly Touch[]> {
  if (changes.length <= KEPT_BYTES_MAX) return keptTouches(changes);
  const found: Touch[] = [];
  const reader = new Reader(changes);
  for (let seen = 0; reader.pos < reader.end; ) {
    readSome(reader, seen + LOOK_BYTES, (each) => found.push(each));
    yield reader.pos - seen;
    seen = reader.pos;
  }
  return found;
}

function readEach(changes: Uint8Array, visit: (touch: Touch) => void): void {
  readSome(new Reader(changes), changes.length, visit);
}

/** Reads up to a place, and the change that goes beyond it. */
function readSome(reader: Reader, end: number, visit: (touch: Touch) => void): void {
  try {
    while (reader.pos < Math.min(end, reader.end)) {
      const tag = reader.varint();
      if (tag !== CHANGES) throw invalid('changes', `tag ${tag} in place of a change`);
      visit(touch(reader, reader.length(reader.end)));
    }
  } catch (cause) {
    if (!(cause instanceof ChordError)) throw cause;
    throw new ChordError('DATA_LOSS', `a stored delta is invalid: ${cause.message}`, { cause });
  }
}

function touch(reader: Reader, end: number): Touch {
  const path: string[] = [];
  let span: Span | undefined;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === PATH) path.push(reader.key(end));
    else if (tag === SPLICE) span = spanOf(reader, reader.length(end), false);
    else if (tag === TEXT_SPLICE) span = spanOf(reader, reader.length(end), true);
    else reader.skip(tag, 0);
  }
  return { path, span };
}

function spanOf(reader: Reader, end: number, text: boolean): Span {
  let index = 0;
  let removed = 0;
  let inserted = 0;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === INDEX) index = reader.varint();
    else if (tag === REMOVED_COUNT) removed = reader.varint();
    else if (tag === INSERTED && text) inserted = codePoints(reader.string(end));
    else {
      if (tag === INSERTED) inserted++;
      reader.skip(tag, 0);
    }
  }
  return { index, removed, inserted };
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
