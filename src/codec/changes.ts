/**
 * The format in which a delta is stored and sent.
 *
 * `changes` holds the wire bytes of `repeated Change changes = 4` of message chord.v1.Delta, tags included and old
 * values left out: the server copies these bytes into a Delta as they are. `olds` holds, for each change in turn, a
 * length and the fields that `changes` lacks: `old_value` of a Change, `removed` of a Splice or TextSplice; and for a
 * TextSplice the bytes of the old string, in a field that the message does not have. So a delta without old
 * values, as most clients request it, is sent without encoding, and a delta with old values costs one pass.
 */
import { codePoints } from '../delta/text.js';
import type { Change, Changes, Path, Spliced, TextSpliced } from '../delta/types.js';
import type * as proto from '../gen/chord/v1/model.js';
import { ChordError, invalid } from '../model/errors.js';
import type { Json, Payload } from '../model/model.js';
import { Reader, truncated } from './reader.js';
import { readValue, writeField, writeValues } from './struct.js';
import { BackWriter } from './writer.js';

// Tags: field number << 3 | wire type.
const CHANGES = 0x22; // Delta.changes
const PATH = 0x0a; // Change
const ACTION = 0x10;
export const VALUE = 0x1a;
export const OLD_VALUE = 0x22;
export const SPLICE = 0x2a;
const TEXT_SPLICE = 0x32;
const INDEX = 0x08; // Splice, TextSplice
const REMOVED_COUNT = 0x10;
export const REMOVED = 0x1a;
export const INSERTED = 0x22;
const OLD_BYTES = 0x78; // in `olds` only

/** By number in enum ChangeAction. */
const ACTIONS = [undefined, 'added', 'modified', 'removed', 'spliced'] as const;
const ACTION_NUMBERS = { added: 1, modified: 2, removed: 3, spliced: 4, text_spliced: 4 } as const;

const scratch = new BackWriter();

/**
 * The stored form of a delta; undefined where it is larger than `bytesMax`, which is found before much more is encoded.
 * INVALID_ARGUMENT for values that are not JSON.
 */
export function encodeChanges(changes: Changes): Payload;
export function encodeChanges(changes: Changes, bytesMax: number): Payload | undefined;
export function encodeChanges(changes: Changes, bytesMax = Infinity): Payload | undefined {
  const encoded = encode(changes, false, bytesMax);
  const olds = encoded && encodeOlds(changes, bytesMax - encoded.length);
  return encoded && olds && { changes: encoded, olds };
}

/**
 * The wire bytes of `changes` with the old values included. No value is decoded: the bytes of the old values are copied to
 * where they belong.
 */
export function spliceOlds({ changes, olds }: Payload): Uint8Array {
  const [reader, old] = [new Reader(changes), new Reader(olds)];
  /** Of each change: its first byte and the one behind it, and those of its old values. */
  const places: number[] = [];
  try {
    while (reader.pos < reader.end) {
      const end = endOfChange(reader);
      const start = reader.pos;
      const oldEnd = old.length(old.end);
      places.push(start, end, old.pos, oldEnd);
      reader.pos = end;
      old.pos = oldEnd;
    }
    checkAtEnd(old);
    scratch.reset();
    for (let i = places.length - 4; i >= 0; i -= 4) {
      const before = scratch.size;
      const oldBytes = olds.subarray(places[i + 2]!, places[i + 3]!);
      writeWithOld(scratch, changes.subarray(places[i]!, places[i + 1]!), oldBytes);
      scratch.length(before);
      scratch.byte(CHANGES);
    }
    return scratch.take();
  } catch (cause) {
    throw dataLoss(cause);
  }
}

/** A change and its old values, both as stored. */
function writeWithOld(writer: BackWriter, change: Uint8Array, old: Uint8Array): void {
  const reader = new Reader(change);
  while (old.length > 0 && reader.pos < reader.end) {
    const at = reader.pos;
    const tag = reader.varint();
    if (tag !== SPLICE && tag !== TEXT_SPLICE) {
      reader.skip(tag, 0);
      continue;
    }
    const end = reader.length(reader.end);
    const start = reader.pos;
    const inserted = startOf(reader, end, INSERTED);
    writer.raw(change.subarray(end));
    const before = writer.size;
    writer.raw(change.subarray(inserted, end));
    writer.raw(old.subarray(0, startOf(new Reader(old), old.length, OLD_BYTES)));
    writer.raw(change.subarray(start, inserted));
    writer.length(before);
    writer.byte(tag);
    writer.raw(change.subarray(0, at));
    return;
  }
  writer.raw(old);
  writer.raw(change);
}

/** Where the first field with this tag begins; the end where there is none. */
function startOf(reader: Reader, end: number, last: number): number {
  while (reader.pos < end) {
    const at = reader.pos;
    const tag = reader.varint();
    if (tag === last) return at;
    reader.skip(tag, 0);
  }
  return end;
}

/**
 * Decodes changes. Old values come from `olds`, or from `changes` itself where it includes them.
 * DATA_LOSS: the bytes do not have the format of `encodeChanges` or `spliceOlds`.
 */
export function decodeChanges(changes: Uint8Array, olds?: Uint8Array): Change[] {
  const list: Change[] = [];
  const reader = new Reader(changes);
  const old = olds && new Reader(olds);
  try {
    while (reader.pos < reader.end) {
      const end = endOfChange(reader);
      list.push(readChange(reader, end, old, old ? old.length(old.end) : 0));
    }
    if (old) checkAtEnd(old);
    return list;
  } catch (cause) {
    throw dataLoss(cause);
  }
}

/** Where the change ends that begins here. */
export function endOfChange(reader: Reader): number {
  const tag = reader.varint();
  if (tag !== CHANGES) throw invalid('changes', `tag ${tag} in place of a change`);
  return reader.length(reader.end);
}

/** All changes are read. */
export function checkAtEnd(olds: Reader): void {
  if (olds.pos !== olds.end) throw invalid('olds', 'more old values than changes');
}

export function dataLoss(cause: unknown): unknown {
  if (!(cause instanceof ChordError)) return cause;
  return new ChordError('DATA_LOSS', `a stored delta is invalid: ${cause.message}`, { cause });
}

/** The changes of a received Delta message. DATA_LOSS: a Chord server does not send such changes. */
export function changesFromProto(changes: readonly proto.Change[]): Change[] {
  return changes.map(({ path, action, value, oldValue, splice, textSplice }) =>
    toChange({ path, action, value, oldValue, splice, textSplice }),
  );
}

function encode(changes: Changes, olds: boolean, bytesMax: number): Uint8Array | undefined {
  scratch.reset();
  for (let i = changes.length - 1; i >= 0; i--) {
    writeChange(scratch, changes[i]!, olds);
    if (scratch.size > bytesMax) return undefined;
  }
  return scratch.take();
}

function encodeOlds(changes: Changes, bytesMax: number): Uint8Array | undefined {
  scratch.reset();
  for (let i = changes.length - 1; i >= 0; i--) {
    const before = scratch.size;
    writeOld(scratch, changes[i]!);
    scratch.length(before);
    if (scratch.size > bytesMax) return undefined;
  }
  return scratch.take();
}

export function writeChange(writer: BackWriter, change: Change, olds: boolean): void {
  const before = writer.size;
  if (change.action === 'spliced') {
    writeValues(writer, INSERTED, change.inserted, 1);
    if (olds) writeOld(writer, change);
    writeSplice(writer, SPLICE, change, before);
  } else if (change.action === 'text_spliced') {
    writeText(writer, INSERTED, change.inserted);
    if (olds) writeText(writer, REMOVED, change.removed);
    writeSplice(writer, TEXT_SPLICE, change, before);
  } else {
    if (olds) writeOld(writer, change);
    if (change.action !== 'removed') writeField(writer, VALUE, change.value, 1);
  }
  writePlace(writer, change, before);
}

/** Ends a splice whose last fields begin at `before`. */
export function writeSplice(writer: BackWriter, tag: number, change: Spliced | TextSpliced, before: number): void {
  writeCount(writer, REMOVED_COUNT, change.removedCount);
  writeCount(writer, INDEX, change.index);
  writer.length(before);
  writer.byte(tag);
}

/** Ends a change. */
export function writePlace(writer: BackWriter, { action, path }: Change, before: number): void {
  writer.varint(ACTION_NUMBERS[action]);
  writer.byte(ACTION);
  for (let i = path.length - 1; i >= 0; i--) {
    writer.string(path[i]!);
    writer.byte(PATH);
  }
  writer.length(before);
  writer.byte(CHANGES);
}

export function writeOld(writer: BackWriter, change: Change): void {
  if (change.action === 'added') return;
  if (change.action === 'spliced') writeValues(writer, REMOVED, change.removed ?? [], 1);
  else if (change.action === 'text_spliced') {
    if (change.oldBytes !== undefined) {
      writer.varint(change.oldBytes);
      writer.byte(OLD_BYTES);
    }
    writeText(writer, REMOVED, change.removed);
  } else if (change.old !== undefined) writeField(writer, OLD_VALUE, change.old, 1);
}

/** proto3 omits the empty string. */
function writeText(writer: BackWriter, tag: number, text = ''): void {
  if (text === '') return;
  writer.string(text);
  writer.byte(tag);
}

/** proto3 omits zeros. */
function writeCount(writer: BackWriter, tag: number, count: number): void {
  if (count === 0) return;
  writer.varint(count);
  writer.byte(tag);
}

/** The fields of a Change, filled in while reading. */
export interface ChangeFields {
  path: string[];
  action: number;
  value: Json | undefined;
  oldValue: Json | undefined;
  splice: SpliceFields | undefined;
  textSplice: TextSpliceFields | undefined;
}

export interface SpliceFields {
  index: number;
  removedCount: number;
  removed: Json[];
  inserted: Json[];
}

interface TextSpliceFields {
  index: number;
  removedCount: number;
  removed: string;
  inserted: string;
  oldBytes?: number;
}

export function noFields(): ChangeFields {
  return {
    path: [],
    action: 0,
    value: undefined,
    oldValue: undefined,
    splice: undefined,
    textSplice: undefined,
  };
}

export function noSplice(): SpliceFields {
  return { index: 0, removedCount: 0, removed: [], inserted: [] };
}

/** A change up to `end`, with its old values up to `oldEnd` of `olds`. */
export function readChange(reader: Reader, end: number, olds: Reader | undefined, oldEnd: number): Change {
  const fields = noFields();
  readFields(reader, end, fields);
  if (olds) {
    if (fields.splice) readSplice(olds, oldEnd, fields.splice);
    else if (fields.textSplice) readTextSplice(olds, oldEnd, fields.textSplice);
    else readFields(olds, oldEnd, fields);
  }
  return toChange(fields);
}

function readFields(reader: Reader, end: number, fields: ChangeFields): void {
  while (reader.pos < end) readField(reader, reader.varint(), end, fields);
  if (reader.pos !== end) throw truncated();
}

/** The field behind its tag. */
export function readField(reader: Reader, tag: number, end: number, fields: ChangeFields): void {
  if (tag === PATH) fields.path.push(reader.key(end));
  else if (tag === ACTION) fields.action = reader.varint();
  else if (tag === VALUE) fields.value = readValue(reader, reader.length(end), 0);
  else if (tag === OLD_VALUE) fields.oldValue = readValue(reader, reader.length(end), 0);
  else if (tag === SPLICE) {
    fields.splice = noSplice();
    readSplice(reader, reader.length(end), fields.splice);
  } else if (tag === TEXT_SPLICE) {
    fields.textSplice = { index: 0, removedCount: 0, removed: '', inserted: '' };
    readTextSplice(reader, reader.length(end), fields.textSplice);
  } else reader.skip(tag, 6);
}

function readSplice(reader: Reader, end: number, splice: SpliceFields): void {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === REMOVED || tag === INSERTED) {
      elementsOf(splice, tag).push(readValue(reader, reader.length(end), 0));
    } else readCount(reader, tag, splice);
  }
  if (reader.pos !== end) throw truncated();
}

export function elementsOf(splice: SpliceFields, tag: typeof REMOVED | typeof INSERTED): Json[] {
  return tag === REMOVED ? splice.removed : splice.inserted;
}

/** The field of a Splice behind its tag, but no element. */
export function readCount(reader: Reader, tag: number, splice: SpliceFields): void {
  if (tag === INDEX) splice.index = reader.varint();
  else if (tag === REMOVED_COUNT) splice.removedCount = reader.varint();
  else reader.skip(tag, 4);
}

export function readTextSplice(reader: Reader, end: number, splice: TextSpliceFields): void {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === INDEX) splice.index = reader.varint();
    else if (tag === REMOVED_COUNT) splice.removedCount = reader.varint();
    else if (tag === REMOVED) splice.removed = reader.string(end);
    else if (tag === INSERTED) splice.inserted = reader.string(end);
    else if (tag === OLD_BYTES) splice.oldBytes = reader.varint();
    else reader.skip(tag, 4);
  }
  if (reader.pos !== end) throw truncated();
}

export function toChange({ path, action: number, value, oldValue, splice, textSplice }: ChangeFields): Change {
  const action = ACTIONS[number];
  if (path.length === 0) throw broken('the path is missing');
  switch (action) {
    case 'added':
      if (value === undefined) throw broken('the added value is missing');
      return { action, path, value };
    case 'modified':
      if (value === undefined) throw broken('the new value is missing');
      return oldValue === undefined ? { action, path, value } : { action, path, value, old: oldValue };
    case 'removed':
      return oldValue === undefined ? { action, path } : { action, path, old: oldValue };
    case 'spliced':
      if (splice !== undefined) return toSpliced(path, splice);
      if (textSplice !== undefined) return toTextSpliced(path, textSplice);
      throw broken('the splice is missing');
    default:
      throw broken(`unknown action ${number}`);
  }
}

function toSpliced(path: Path, { index, removedCount, removed, inserted }: SpliceFields): Change {
  if (removed.length === removedCount) return { action: 'spliced', path, index, removedCount, removed, inserted };
  if (removed.length > 0) throw broken(`has ${removed.length} of ${removedCount} removed elements`);
  return { action: 'spliced', path, index, removedCount, inserted };
}

function toTextSpliced(path: Path, { removed, ...splice }: TextSpliceFields): Change {
  const points = codePoints(removed);
  if (points === splice.removedCount) return { action: 'text_spliced', path, ...splice, removed };
  if (points > 0) throw broken(`has ${points} of ${splice.removedCount} removed code points`);
  return { action: 'text_spliced', path, ...splice };
}

function broken(what: string): ChordError {
  return new ChordError('DATA_LOSS', `a change is invalid: ${what}`);
}
