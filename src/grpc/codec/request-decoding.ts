/** Decodes requests. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkBounds, type FieldBounds } from '../../codec/field-counts.js';
import { decodeMessage } from '../../codec/message.js';
import { limitMembers } from '../../codec/struct.js';

/** In a message of fewer bytes no field can repeat often enough to be costly. */
const CHECKED_FROM = 4096;

/**
 * The function answered throws ChordError INVALID_ARGUMENT where the bytes are no request, RESOURCE_EXHAUSTED where its
 * values have more than `members` members.
 */
export function decodeRequest<T>(
  decode: (input: Buffer) => T,
  bounds?: FieldBounds,
  members = Infinity,
): (bytes: Buffer) => T {
  // Generated code accepts a reader as its input; the types of its service definitions lack that.
  const type = { decode: decode as unknown as (reader: BinaryReader) => T };
  return (bytes) => {
    if (bytes.length <= CHECKED_FROM) return decodeMessage(type, bytes);
    if (bounds) checkBounds(bytes, bounds);
    return limitMembers(members, () => decodeMessage(type, bytes));
  };
}
