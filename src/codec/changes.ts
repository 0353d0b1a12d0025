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
import type { Change, Changes, Path } from '../delta/types.js';
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
const VALUE = 0x1a;
const OLD_VALUE = 0x22;
const SPLICE = 0x2a;
const TEXT_SPLICE = 0x32;
const INDEX = 0x08; // Splice, TextSplice
const REMOVED_COUNT = 0x10;
const REMOVED = 0x1a;
const INSERTED = 0x22;
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

/** The wire bytes of `changes` with the old values included. */
export function spliceOlds(payload: Payload): Uint8Array {
  return encode(decodeChanges(payload.changes, payload.olds), true, Infinity)!;
}

/**
 * Decodes changes. Old values come from `olds`, or from `changes` itself where it includes them.
 * DATA_LOSS: the bytes do not have the format of `encodeChanges` or `spliceOlds`.
 */
export function decodeChanges(changes: Uint8Array, olds?: Uint8Array): Change[] {
  const list: Change[] = [];
  const reader = new ChangeReader(changes, olds);
  for (let change = reader.next(); change; change = reader.next()) list.push(change);
  return list;
}

/** The same as `decodeChanges`, one change at a time, for callers that yield to the event loop in between. */
export class ChangeReader {
  readonly #changes: Reader;
  readonly #olds: Reader | undefined;

  constructor(changes: Uint8Array, olds?: Uint8Array) {
    this.#changes = new Reader(changes);
    this.#olds = olds && new Reader(olds);
  }

  /** Bytes read so far. */
  get read(): number {
    return this.#changes.pos + (this.#olds?.pos ?? 0);
  }

  /** The next change; undefined at the end. */
  next(): Change | undefined {
    const reader = this.#changes;
    try {
      if (reader.pos < reader.end) {
        const tag = reader.varint();
        if (tag !== CHANGES) throw invalid('changes', `tag ${tag} in place of a change`);
        return readChange(reader, reader.length(reader.end), this.#olds);
      }
      if (this.#olds && this.#olds.pos !== this.#olds.end) throw invalid('olds', 'more old values than changes');
      return undefined;
    } catch (cause) {
      if (!(cause instanceof ChordError)) throw cause;
      throw new ChordError('DATA_LOSS', `a stored delta is invalid: ${cause.message}`, { cause });
    }
  }
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

function writeChange(writer: BackWriter, change: Change, olds: boolean): void {
  const before = writer.size;
  if (change.action === 'spliced') {
    writeValues(writer, INSERTED, change.inserted, 1);
    if (olds) writeOld(writer, change);
    writeCount(writer, REMOVED_COUNT, change.removedCount);
    writeCount(writer, INDEX, change.index);
    writer.length(before);
    writer.byte(SPLICE);
  } else if (change.action === 'text_spliced') {
    writeText(writer, INSERTED, change.inserted);
    if (olds) writeText(writer, REMOVED, change.removed);
    writeCount(writer, REMOVED_COUNT, change.removedCount);
    writeCount(writer, INDEX, change.index);
    writer.length(before);
    writer.byte(TEXT_SPLICE);
  } else {
    if (olds) writeOld(writer, change);
    if (change.action !== 'removed') writeField(writer, VALUE, change.value, 1);
  }
  writer.varint(ACTION_NUMBERS[change.action]);
  writer.byte(ACTION);
  for (let i = change.path.length - 1; i >= 0; i--) {
    writer.string(change.path[i]!);
    writer.byte(PATH);
  }
  writer.length(before);
  writer.byte(CHANGES);
}

function writeOld(writer: BackWriter, change: Change): void {
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
interface Fields {
  path: string[];
  action: number;
  value: Json | undefined;
  oldValue: Json | undefined;
  splice: SpliceFields | undefined;
  textSplice: TextSpliceFields | undefined;
}

interface SpliceFields {
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

function readChange(reader: Reader, end: number, olds: Reader | undefined): Change {
  const fields: Fields = {
    path: [],
    action: 0,
    value: undefined,
    oldValue: undefined,
    splice: undefined,
    textSplice: undefined,
  };
  readFields(reader, end, fields);
  if (olds) {
    const oldEnd = olds.length(olds.end);
    if (fields.splice) readSplice(olds, oldEnd, fields.splice);
    else if (fields.textSplice) readTextSplice(olds, oldEnd, fields.textSplice);
    else readFields(olds, oldEnd, fields);
  }
  return toChange(fields);
}

function readFields(reader: Reader, end: number, fields: Fields): void {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === PATH) fields.path.push(reader.key(end));
    else if (tag === ACTION) fields.action = reader.varint();
    else if (tag === VALUE) fields.value = readValue(reader, reader.length(end), 0);
    else if (tag === OLD_VALUE) fields.oldValue = readValue(reader, reader.length(end), 0);
    else if (tag === SPLICE) {
      fields.splice = { index: 0, removedCount: 0, removed: [], inserted: [] };
      readSplice(reader, reader.length(end), fields.splice);
    } else if (tag === TEXT_SPLICE) {
      fields.textSplice = { index: 0, removedCount: 0, removed: '', inserted: '' };
      readTextSplice(reader, reader.length(end), fields.textSplice);
    } else reader.skip(tag, 6);
  }
  if (reader.pos !== end) throw truncated();
}

function readSplice(reader: Reader, end: number, splice: SpliceFields): void {
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === INDEX) splice.index = reader.varint();
    else if (tag === REMOVED_COUNT) splice.removedCount = reader.varint();
    else if (tag === REMOVED) splice.removed.push(readValue(reader, reader.length(end), 0));
    else if (tag === INSERTED) splice.inserted.push(readValue(reader, reader.length(end), 0));
    else reader.skip(tag, 4);
  }
  if (reader.pos !== end) throw truncated();
}

function readTextSplice(reader: Reader, end: number, splice: TextSpliceFields): void {
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

function toChange({ path, action: number, value, oldValue, splice, textSplice }: Fields): Change {
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
