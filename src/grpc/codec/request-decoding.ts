/** Requests from bytes. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkBounds, type FieldBounds } from '../../codec/field-counts.js';
import { decodeMessage } from '../../codec/message.js';

/** In fewer bytes nothing can be so often that it costs much. */
const CHECKED_FROM = 4096;

/** The function answered throws ChordError INVALID_ARGUMENT where the bytes are no request. */
export function decodeRequest<T>(decode: (input: Buffer) => T, bounds?: FieldBounds): (bytes: Buffer) => T {
  // Generated code reads from a reader that it is given; the types of its service definitions do not say so.
  const type = { decode: decode as unknown as (reader: BinaryReader) => T };
  return (bytes) => {
    if (bounds && bytes.length > CHECKED_FROM) checkBounds(bytes, bounds);
    return decodeMessage(type, bytes);
  };
}
