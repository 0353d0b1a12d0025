/** Requests from bytes. What cannot be decoded becomes a ChordError in place of the request; handlers are never called with it. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkBounds, type FieldBounds } from '../../codec/field-counts.js';
import { decodeMessage } from '../../codec/message.js';
import { ChordError } from '../../model/errors.js';

export const MESSAGE_BYTES_MAX = 4 * 2 ** 20;

/** What a request weighed on the wire, unpacked. */
const BYTES = Symbol('bytes');

/** In fewer bytes nothing can be so often that it costs much. */
const CHECKED_FROM = 4096;

export function decodeRequest<T>(
  decode: (input: Buffer) => T,
  bounds?: FieldBounds,
): (bytes: Buffer) => T | ChordError {
  // Generated code reads from a reader that it is given; the types of its service definitions do not say so.
  const type = { decode: decode as unknown as (reader: BinaryReader) => T };
  return (bytes) => {
    try {
      if (bounds && bytes.length > CHECKED_FROM) checkBounds(bytes, bounds);
      const request = decodeMessage(type, bytes) as T & { [BYTES]?: number };
      request[BYTES] = bytes.length;
      return request;
    } catch (error) {
      if (error instanceof ChordError) return error;
      throw error;
    }
  };
}

/** In bytes, of what `decodeRequest` has decoded; 0 of everything else. */
export function sizeOf(request: unknown): number {
  return (request as { readonly [BYTES]?: number } | undefined)?.[BYTES] ?? 0;
}
