/** Decodes requests. */
import type { BinaryReader } from '@bufbuild/protobuf/wire';
import { checkBounds, type FieldBounds } from '../../codec/field-counts.js';
import { decodeMessage } from '../../codec/message.js';
import { limitMembers } from '../../codec/struct.js';
import { inSteps, Pace } from '../../contexts/long-work.js';
import { Slots } from '../../model/slots.js';
import type { Steps } from '../../model/steps.js';

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

/** One large request is decoded at a time: it is done sooner, and takes memory later. */
const decoding = new Slots(1);

/** The same for large requests, in steps. */
export function largeRequest<T>(
  decode: (bytes: Buffer) => Steps<T>,
  bounds: FieldBounds,
): (bytes: Buffer) => Promise<T> {
  return (bytes) =>
    decoding.run(async () => {
      const pace = new Pace();
      await pace.turn();
      checkBounds(bytes, bounds);
      await pace.turn();
      return inSteps(decode(bytes), pace);
    });
}
