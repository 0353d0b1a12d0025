/**
 * google.protobuf.Struct and Value straight from and to plain JSON. Generated code imports both from here
 * (buf.gen.yaml says so): its own codec would lose the key `__proto__`.
 */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type Json, type JsonObject, setMember } from './json.js';

/** The deepest nesting of a document that a server takes; the root object is level 1. */
export const DEPTH_MAX = 32;

export function encodeStruct(object: JsonObject): Uint8Array {
  return Struct.encode(object, new BinaryWriter()).finish();
}

export function decodeStruct(bytes: Uint8Array): JsonObject {
  return Struct.decode(new BinaryReader(bytes), bytes.length);
}

/** What generated code calls for fields of type google.protobuf.Struct. */
export const Struct = {
  wrap: (object: JsonObject) => object,
  unwrap: (object: JsonObject) => object,
  encode(object: JsonObject, writer: BinaryWriter): BinaryWriter {
    writeStruct(writer, object, 1);
    return writer;
  },
  decode: (reader: BinaryReader, length: number) => readStruct(reader, reader.pos + length, 1),
};

/** What generated code calls for fields of type google.protobuf.Value. */
export const Value = {
  wrap: (value: Json) => value,
  unwrap: (value: Json) => value,
  encode(value: Json, writer: BinaryWriter): BinaryWriter {
    writeValue(writer, value, 0);
    return writer;
  },
  decode: (reader: BinaryReader, length: number) => readValue(reader, reader.pos + length, 0),
};

/** All that can be wrong with a value but what is inside of it. @throws TypeError */
export function checkLeaf(value: Json): void {
  if (typeof value === 'object' && value !== null) {
    if (!Array.isArray(value) && !isPlain(value)) throw new TypeError('only plain objects and lists are JSON');
  } else {
    writeValue(new BinaryWriter(), value, 0);
  }
}

/** A value inside of a container at level `depth`. @throws TypeError for what is not JSON */
function writeValue(writer: BinaryWriter, value: Json, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.tag(3, WireType.LengthDelimited).string(wellFormed(value));
      return;
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} is not a number of JSON`);
      writer.tag(2, WireType.Bit64).double(value);
      return;
    case 'boolean':
      writer.tag(4, WireType.Varint).bool(value);
      return;
    case 'object':
      if (value === null) {
        writer.tag(1, WireType.Varint).int32(0);
      } else if (Array.isArray(value)) {
        writer.tag(6, WireType.LengthDelimited).fork();
        writeList(writer, value, depth + 1);
        writer.join();
      } else {
        writer.tag(5, WireType.LengthDelimited).fork();
        writeStruct(writer, value as JsonObject, depth + 1);
        writer.join();
      }
      return;
    default:
      throw new TypeError(`${typeof value} is not JSON`);
  }
}

function writeStruct(writer: BinaryWriter, object: JsonObject, depth: number): void {
  checkDepth(depth);
  if (!isPlain(object)) throw new TypeError('only plain objects and lists are JSON');
  for (const key of Object.keys(object)) {
    if (object[key] === undefined) continue; // left out, as JSON.stringify does
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(wellFormed(key));
    writer.tag(2, WireType.LengthDelimited).fork();
    writeValue(writer, object[key] as Json, depth);
    writer.join().join();
  }
}

function writeList(writer: BinaryWriter, list: readonly Json[], depth: number): void {
  checkDepth(depth);
  for (let i = 0; i < list.length; i++) {
    writer.tag(1, WireType.LengthDelimited).fork();
    writeValue(writer, list[i] as Json, depth);
    writer.join();
  }
}

function readStruct(reader: BinaryReader, end: number, depth: number): JsonObject {
  checkDepth(depth);
  const object: JsonObject = {};
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1) readMember(reader, readEnd(reader), depth, object);
    else reader.skip(wireType, field);
  }
  checkEnd(reader, end);
  return object;
}

function readMember(reader: BinaryReader, end: number, depth: number, object: JsonObject): void {
  let key = '';
  let value: Json = null;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = readValue(reader, readEnd(reader), depth);
    else reader.skip(wireType, field);
  }
  checkEnd(reader, end);
  setMember(object, key, value);
}

function readList(reader: BinaryReader, end: number, depth: number): Json[] {
  checkDepth(depth);
  const list: Json[] = [];
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    if (field === 1) list.push(readValue(reader, readEnd(reader), depth));
    else reader.skip(wireType, field);
  }
  checkEnd(reader, end);
  return list;
}

function readValue(reader: BinaryReader, end: number, depth: number): Json {
  let value: Json = null;
  while (reader.pos < end) {
    const [field, wireType] = reader.tag();
    switch (field) {
      case 1:
        reader.int32();
        value = null;
        break;
      case 2:
        value = reader.double();
        break;
      case 3:
        value = reader.string();
        break;
      case 4:
        value = reader.bool();
        break;
      case 5:
        value = readStruct(reader, readEnd(reader), depth + 1);
        break;
      case 6:
        value = readList(reader, readEnd(reader), depth + 1);
        break;
      default:
        reader.skip(wireType, field);
    }
  }
  checkEnd(reader, end);
  return value;
}

/** Reads a length: answers where that which it measures ends. */
function readEnd(reader: BinaryReader): number {
  const length = reader.uint32();
  return reader.pos + length;
}

function checkEnd(reader: BinaryReader, end: number): void {
  if (reader.pos !== end) throw new RangeError('a field ends beyond its message');
}

function checkDepth(depth: number): void {
  if (depth > DEPTH_MAX) throw new TypeError(`nested over ${DEPTH_MAX} levels`);
}

function wellFormed(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('a string is not valid Unicode');
  return text;
}

/** A Date or a Map would go as {} and be lost. */
export function isPlain(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}
