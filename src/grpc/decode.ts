/** Requests from bytes. What cannot be decoded becomes a ChordError in place of the request; handlers are never called with it. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { decodeMessage } from '../codec/message.js';
import { ChordError } from '../errors.js';

export function decodeRequest<T>(decode: (input: Buffer) => T): (bytes: Buffer) => T | ChordError {
  // Generated code reads from a reader that it is given; the types of its service definitions do not say so.
  const type = { decode: decode as unknown as (reader: BinaryReader) => T };
  return (bytes) => {
    try {
      return decodeMessage(type, bytes);
    } catch (error) {
      if (error instanceof ChordError) return error;
      throw error;
    }
  };
}
