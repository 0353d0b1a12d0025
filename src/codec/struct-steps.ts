/** Documents and values to and from the bytes of struct.ts, in steps (model/steps.ts). */
import type { Projection, Tree } from '../delta/projection.js';
import { type Json, type JsonObject, MAX_DEPTH, setMember } from '../model/model.js';
import { isSmall, LOOK_BYTES, type Steps } from '../model/steps.js';
import { Reader, truncated } from './reader.js';
import {
  FIELDS,
  KEY,
  keysOf,
  LIST,
  readMember,
  readValue,
  STRUCT,
  tooDeep,
  VALUE,
  VALUES,
  writeField,
  writeValue,
} from './struct.js';
import { BackWriter } from './writer.js';

/** Members and elements of more bytes are decoded in steps of their own. */
export const STEP_BYTES = 16_384;

/** As `decodeStruct`, for bytes that `encodeStruct` wrote. */
export function* decodeStructInSteps(bytes: Uint8Array): Steps<JsonObject> {
  return yield* structSteps(new StepReader(bytes), bytes.length, 1);
}

/** As `decodeParts`. */
export function* decodePartsInSteps(bytes: Uint8Array, { tree }: Projection): Steps<JsonObject> {
  return yield* partsSteps(new StepReader(bytes), bytes.length, tree, 1);
}

/** As `encodeStruct`. The document must not change meanwhile. */
export function* encodeStructInSteps(document: JsonObject): Steps<Uint8Array> {
  const writer = new StepWriter();
  yield* writeStructSteps(writer, document, 1);
  return writer.take();
}

/** As `encodeValue`. */
export function* encodeValueInSteps(value: Json): Steps<Uint8Array> {
  const writer = new StepWriter();
  yield* writeValueSteps(writer, value, 1);
  return writer.take();
}

/** A reader that tells how much of the work is done. */
export class StepReader extends Reader {
  #told = this.pos;

  /** Bytes read since the last answer that was not 0: 0 where they are few. */
  done(): number {
    const bytes = this.pos - this.#told;
    if (bytes < LOOK_BYTES) return 0;
    this.#told = this.pos;
    return bytes;
  }
}

/** A writer of the same kind. */
export class StepWriter extends BackWriter {
  #told = 0;

  done(): number {
    const bytes = this.size - this.#told;
    if (bytes < LOOK_BYTES) return 0;
    this.#told = this.size;
    return bytes;
  }
}

/** As `readValue`, for bytes that `encodeStruct` or `encodeChanges` wrote. */
export function* readValueSteps(reader: StepReader, end: number, depth: number): Steps<Json> {
  if (end - reader.pos <= STEP_BYTES) return readValue(reader, end, depth);
  const start = reader.pos;
  const tag = reader.varint();
  if (tag === STRUCT) return yield* structSteps(reader, reader.length(end), depth + 1);
  if (tag === LIST) return yield* listSteps(reader, reader.length(end), depth + 1);
  reader.pos = start;
  return readValue(reader, end, depth);
}

function* structSteps(reader: StepReader, end: number, depth: number): Steps<JsonObject> {
  if (depth > MAX_DEPTH) throw tooDeep();
  const object: JsonObject = {};
  while (reader.pos < end) {
    if (reader.varint() !== FIELDS) throw truncated();
    const next = reader.length(end);
    if (next - reader.pos <= STEP_BYTES) readMember(reader, next, depth, object);
    else {
      if (reader.varint() !== KEY) throw truncated();
      const key = reader.key(next);
      if (reader.varint() !== VALUE) throw truncated();
      setMember(object, key, yield* readValueSteps(reader, reader.length(next), depth));
    }
    const done = reader.done();
    if (done > 0) yield done;
  }
  if (reader.pos !== end) throw truncated();
  return object;
}

function* listSteps(reader: StepReader, end: number, depth: number): Steps<Json[]> {
  if (depth > MAX_DEPTH) throw tooDeep();
  const list: Json[] = [];
  while (reader.pos < end) {
    if (reader.varint() !== VALUES) throw truncated();
    const next = reader.length(end);
    if (next - reader.pos <= STEP_BYTES) list.push(readValue(reader, next, depth));
    else list.push(yield* readValueSteps(reader, next, depth));
    const done = reader.done();
    if (done > 0) yield done;
  }
  if (reader.pos !== end) throw truncated();
  return list;
}

function* partsSteps(reader: StepReader, end: number, tree: Tree, depth: number): Steps<JsonObject> {
  const object: JsonObject = {};
  while (reader.pos < end) {
    if (reader.varint() !== FIELDS) throw truncated();
    const next = reader.length(end);
    if (reader.varint() !== KEY) throw truncated();
    const key = reader.key(next);
    const below = tree.get(key);
    if (below !== undefined && reader.varint() === VALUE) {
      const valueEnd = reader.length(next);
      if (below === 'whole') setMember(object, key, yield* readValueSteps(reader, valueEnd, depth));
      else if (reader.varint() === STRUCT) {
        setMember(object, key, yield* partsSteps(reader, reader.length(valueEnd), below, depth + 1));
      }
    }
    reader.pos = next;
    const done = reader.done();
    if (done > 0) yield done;
  }
  return object;
}

/** As `writeField`. */
export function* writeFieldSteps(writer: StepWriter, tag: number, value: Json, depth: number): Steps<void> {
  const before = writer.size;
  yield* writeValueSteps(writer, value, depth);
  writer.length(before);
  writer.byte(tag);
}

/** As `writeValues`. */
export function* writeValuesSteps(writer: StepWriter, tag: number, list: readonly Json[], depth: number): Steps<void> {
  for (let i = list.length - 1; i >= 0; i--) {
    const value = list[i]!;
    if (isSmall(value)) writeField(writer, tag, value, depth);
    else yield* writeFieldSteps(writer, tag, value, depth);
    const done = writer.done();
    if (done > 0) yield done;
  }
}

function* writeValueSteps(writer: StepWriter, value: Json, depth: number): Steps<void> {
  if (isSmall(value)) return writeValue(writer, value, depth);
  const before = writer.size;
  const list = Array.isArray(value);
  if (list) {
    if (depth > MAX_DEPTH) throw tooDeep();
    yield* writeValuesSteps(writer, VALUES, value, depth + 1);
  } else yield* writeStructSteps(writer, value as JsonObject, depth);
  writer.length(before);
  writer.byte(list ? LIST : STRUCT);
}

function* writeStructSteps(writer: StepWriter, object: JsonObject, depth: number): Steps<void> {
  if (depth > MAX_DEPTH) throw tooDeep();
  const keys = keysOf(object);
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!;
    const before = writer.size;
    const value = object[key]!;
    if (isSmall(value)) writeField(writer, VALUE, value, depth + 1);
    else yield* writeFieldSteps(writer, VALUE, value, depth + 1);
    writer.string(key);
    writer.byte(KEY);
    writer.length(before);
    writer.byte(FIELDS);
    const done = writer.done();
    if (done > 0) yield done;
  }
}
