/**
 * Converts JSON values directly to and from the wire bytes of google.protobuf.Struct, Value and ListValue.
 *
 * Generated code imports `Struct` and `Value` from here (as buf.gen.yaml says) where it would otherwise create three
 * message objects per JSON value. This is the hot path of every call; and limits must be enforced here, while decoding,
 * before a hostile message does harm:
 *
 * - objects and lists nest at most MAX_DEPTH levels, the root being level 1;
 * - numbers are finite, strings and keys are valid Unicode, each value has a kind;
 * - a field with a wrong wire type, or one that ends beyond its message, is refused; unknown fields are skipped.
 *
 * Each violation, in either direction, is a ChordError INVALID_ARGUMENT. Where a map key or a member of the oneof
 * occurs twice, the last one counts. The order of keys is kept, as far as JavaScript objects keep it.
 *
 * The codec is about as fast as JSON: 30 us to encode and 38 us to decode a document of 10 KB, where
 * JSON.stringify takes 31 us and JSON.parse 27 us.
 */
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import type { Projection, Tree } from '../delta/projection.js';
import { ChordError, invalid } from '../model/errors.js';
import { type Json, type JsonObject, MAX_DEPTH, setMember } from '../model/model.js';
import { Reader, truncated } from './reader.js';
import { BackWriter } from './writer.js';

/** A document that is already encoded: its bytes are copied into a message's Struct field as they are. */
export class EncodedStruct {
  constructor(readonly bytes: Uint8Array) {}
}

export function encodeStruct(value: JsonObject): Uint8Array {
  return written(writeStruct, value).take();
}

export function decodeStruct(bytes: Uint8Array): JsonObject {
  return readStruct(new Reader(bytes), bytes.length, 1);
}

/** As `projectDocument`, from the bytes that `encodeStruct` wrote; members outside of the projection are skipped. */
export function decodeParts(bytes: Uint8Array, { tree }: Projection): JsonObject {
  return readParts(new Reader(bytes), bytes.length, tree, 1);
}

export function encodeValue(value: Json): Uint8Array {
  return written(writeValue, value).take();
}

export function decodeValue(bytes: Uint8Array): Json {
  return readValue(new Reader(bytes), bytes.length, 0);
}

let membersMax = Infinity;
/** Members that decoding may still make. */
let membersLeft = Infinity;

/**
 * Runs a decoding of at most so many members: those of objects, and objects and lists in lists. RESOURCE_EXHAUSTED beyond,
 * as soon as there is one more.
 */
export function limitMembers<T>(max: number, decode: () => T): T {
  membersMax = membersLeft = max;
  try {
    return decode();
  } finally {
    membersLeft = Infinity;
  }
}

export function tooManyMembers(max: number): ChordError {
  return new ChordError('RESOURCE_EXHAUSTED', `the request has more than ${max} members, the limit is ${max}`);
}

function countMember(): void {
  if (--membersLeft < 0) throw tooManyMembers(membersMax);
}

/** The functions that generated code calls for fields of type google.protobuf.Struct. */
export const Struct = {
  wrap: (object: JsonObject | EncodedStruct) => object,
  unwrap: (object: JsonObject) => object,
  encode(object: JsonObject | EncodedStruct, writer: BinaryWriter): BinaryWriter {
    return writer.raw(object instanceof EncodedStruct ? object.bytes : written(writeStruct, object).peek());
  },
  decode: (reader: BinaryReader, length: number): JsonObject => readFrom(reader, length, readStruct, 1),
};

/** The functions that generated code calls for fields of type google.protobuf.Value. */
export const Value = {
  wrap: (value: Json) => value,
  unwrap: (value: Json) => value,
  encode: (value: Json, writer: BinaryWriter): BinaryWriter => writer.raw(written(writeValue, value).peek()),
  decode: (reader: BinaryReader, length: number): Json => readFrom(reader, length, readElement, 0),
};

// One writer is enough: encoding a JSON value runs no code that could use the writer in between.
const scratch = new BackWriter();

function written<T>(write: (writer: BackWriter, value: T, depth: number) => void, value: T): BackWriter {
  scratch.reset();
  write(scratch, value, 1);
  return scratch;
}

/** In a message of fewer bytes, values cannot be so many that a reader for each one is costly. */
const SHARED_FROM = 4096;
/** The reader of all values of one large message. */
const readers = new WeakMap<Uint8Array, Reader>();

function readerOf(bytes: Uint8Array, pos: number, end: number): Reader {
  if (bytes.length < SHARED_FROM) return new Reader(bytes, pos, end);
  let reader = readers.get(bytes);
  if (!reader) {
    reader = new Reader(bytes, pos);
    readers.set(bytes, reader);
  }
  if (end > bytes.length) throw truncated();
  reader.pos = pos;
  return reader;
}

/** Reads in place; `buf` is private in the types only. */
function readFrom<T>(
  source: BinaryReader,
  length: number,
  read: (reader: Reader, end: number, depth: number) => T,
  depth: number,
): T {
  const { buf } = source as unknown as { buf: Uint8Array };
  const end = source.pos + length;
  const value = read(readerOf(buf, source.pos, end), end, depth);
  source.pos = end;
  return value;
}

// Tags: field number << 3 | wire type.
export const FIELDS = 0x0a; // Struct.fields
export const KEY = 0x0a;
export const VALUE = 0x12;
const NULL = 0x08;
const NUMBER = 0x11;
const STRING = 0x1a;
const BOOL = 0x20;
export const STRUCT = 0x2a;
export const LIST = 0x32;
export const VALUES = 0x0a; // ListValue.values

/** Writes the fields of a Value. An object or list in the value is at level `depth`. */
export function writeValue(writer: BackWriter, value: Json, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.string(value);
      writer.byte(STRING);
      return;
    case 'number':
      if (!Number.isFinite(value)) throw invalid('value', `${value} is not a JSON number`);
      writer.double(value);
      writer.byte(NUMBER);
      return;
    case 'boolean':
      writer.byte(value ? 1 : 0);
      writer.byte(BOOL);
      return;
    case 'object': {
      if (value === null) {
        writer.byte(0);
        writer.byte(NULL);
        return;
      }
      const before = writer.size;
      const list = Array.isArray(value);
      if (list) writeList(writer, value, depth);
      else writeStruct(writer, value, depth);
      writer.length(before);
      writer.byte(list ? LIST : STRUCT);
      return;
    }
    default:
      throw invalid('value', `${typeof value} is not JSON`);
  }
}

function writeStruct(writer: BackWriter, object: JsonObject, depth: number): void {
  if (depth > MAX_DEPTH) throw tooDeep();
  const keys = keysOf(object);
  for (let i = keys.length - 1; i >= 0; i--) {
    const key = keys[i]!;
    const before = writer.size;
    writeField(writer, VALUE, object[key]!, depth + 1);
    writer.string(key);
    writer.byte(KEY);
    writer.length(before);
    writer.byte(FIELDS);
  }
}

function writeList(writer: BackWriter, list: readonly Json[], depth: number): void {
  if (depth > MAX_DEPTH) throw tooDeep();
  writeValues(writer, VALUES, list, depth + 1);
}

/** Writes a repeated field of type Value. */
export function writeValues(writer: BackWriter, tag: number, list: readonly Json[], depth: number): void {
  for (let i = list.length - 1; i >= 0; i--) writeField(writer, tag, list[i]!, depth);
}

/** Writes a field of type Value. */
export function writeField(writer: BackWriter, tag: number, value: Json, depth: number): void {
  const before = writer.size;
  writeValue(writer, value, depth);
  writer.length(before);
  writer.byte(tag);
}

/** The keys of an object. Throws for what is no object literal. */
export function keysOf(object: JsonObject): string[] {
  if (!isPlain(object)) throw invalid('value', 'only plain objects and lists are JSON');
  return Object.keys(object);
}

/** Whether the value is an object literal, of this realm or another: a Date or a Map would be written as {} and be lost. */
function isPlain(object: unknown): boolean {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return false;
  const prototype = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Reads a Struct up to `end`, at level `depth`. */
function readStruct(reader: Reader, end: number, depth: number): JsonObject {
  if (depth > MAX_DEPTH) throw tooDeep();
  const object: JsonObject = {};
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === FIELDS) readMember(reader, reader.length(end), depth, object);
    else reader.skip(tag, 1);
  }
  if (reader.pos !== end) throw truncated();
  return object;
}

/** As `readStruct`, but only the members that the tree has. In each member the key comes before the value. */
function readParts(reader: Reader, end: number, tree: Tree, depth: number): JsonObject {
  const object: JsonObject = {};
  while (reader.pos < end) {
    if (reader.varint() !== FIELDS) throw truncated();
    const next = reader.length(end);
    if (reader.varint() !== KEY) throw truncated();
    const key = reader.key(next);
    const below = tree.get(key);
    if (below !== undefined && reader.varint() === VALUE) {
      const valueEnd = reader.length(next);
      if (below === 'whole') setMember(object, key, readValue(reader, valueEnd, depth));
      else if (reader.varint() === STRUCT) {
        setMember(object, key, readParts(reader, reader.length(valueEnd), below, depth + 1));
      }
    }
    reader.pos = next;
  }
  return object;
}

/** A member up to `end`, into the object. */
export function readMember(reader: Reader, end: number, depth: number, object: JsonObject): void {
  let key = '';
  let value: Json | undefined;
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === KEY) key = reader.key(end);
    else if (tag === VALUE) value = readValue(reader, reader.length(end), depth);
    else reader.skip(tag, 2);
  }
  if (reader.pos !== end) throw truncated();
  if (value === undefined) throw noKind();
  countMember();
  setMember(object, key, value);
}

function readList(reader: Reader, end: number, depth: number): Json[] {
  if (depth > MAX_DEPTH) throw tooDeep();
  const list: Json[] = [];
  while (reader.pos < end) {
    const tag = reader.varint();
    if (tag === VALUES) list.push(readElement(reader, reader.length(end), depth));
    else reader.skip(tag, 1);
  }
  if (reader.pos !== end) throw truncated();
  return list;
}

/** As `readValue`; an object or a list counts as a member. */
function readElement(reader: Reader, end: number, depth: number): Json {
  const value = readValue(reader, end, depth);
  if (typeof value === 'object' && value !== null) countMember();
  return value;
}

/** Reads a Value up to `end`, inside of an object or list at level `depth`. */
export function readValue(reader: Reader, end: number, depth: number): Json {
  let value: Json | undefined;
  while (reader.pos < end) {
    const tag = reader.varint();
    switch (tag) {
      case NULL:
        reader.bool();
        value = null;
        break;
      case NUMBER:
        value = reader.double();
        if (!Number.isFinite(value)) throw invalid('value', `${value} is not a JSON number`);
        break;
      case STRING:
        value = reader.string(end);
        break;
      case BOOL:
        value = reader.bool();
        break;
      case STRUCT:
        value = readStruct(reader, reader.length(end), depth + 1);
        break;
      case LIST:
        value = readList(reader, reader.length(end), depth + 1);
        break;
      default:
        reader.skip(tag, 6);
    }
  }
  if (reader.pos !== end) throw truncated();
  if (value === undefined) throw noKind();
  return value;
}

export function tooDeep() {
  return invalid('value', `nested deeper than ${MAX_DEPTH} levels`);
}

function noKind() {
  return invalid('value', 'a value has no kind (null is a kind: null_value)');
}
