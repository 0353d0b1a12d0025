/** Decodes requests. For a request that cannot be decoded the result is a ChordError, and the handler is not called. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkBounds, type FieldBounds } from '../../codec/field-counts.js';
import { decodeMessage } from '../../codec/message.js';
import { ChordError } from '../../model/errors.js';

export const MESSAGE_BYTES_MAX = 4 * 2 ** 20;

/** Size of a request in bytes, decompressed. */
const BYTES = Symbol('bytes');

/** In a message of fewer bytes no field can repeat often enough to be costly. */
const CHECKED_FROM = 4096;

export function decodeRequest<T>(
  decode: (input: Buffer) => T,
  bounds?: FieldBounds,
): (bytes: Buffer) => T | ChordError {
  // Generated code accepts a reader as its input; the types of its service definitions lack that.
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

/** Size in bytes of a request that `decodeRequest` decoded; 0 for any other value. */
export function sizeOf(request: unknown): number {
  return (request as { readonly [BYTES]?: number } | undefined)?.[BYTES] ?? 0;
}
