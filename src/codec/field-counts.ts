/**
 * How often fields may occur in a message, looked at before it is decoded: two bytes of an empty submessage become an
 * object of a hundred. What a field holds is passed over, so that this costs a fraction of decoding, and no memory.
 */
import { invalid } from '../model/errors.js';
import { Reader, truncated } from './reader.js';

/** Of a message, by field number. */
export type FieldBounds = { readonly [field: number]: FieldBound };

export interface FieldBound {
  /** As in the .proto. */
  readonly name: string;
  readonly max: number;
  /** `max` is for all messages of the kind together, and not for each. */
  readonly inAll?: boolean;
  /** Of the messages that it holds. */
  readonly inside?: FieldBounds;
}

/** Of fields that have no bound of their own: of all that is sent once, decoders take the last. */
const OTHERS_MAX = 1000;
const LENGTH_DELIMITED = 2;

/** @throws ChordError INVALID_ARGUMENT that names the field, at the first one over its bound, or where bytes are malformed */
export function checkBounds(bytes: Uint8Array, bounds: FieldBounds): void {
  check(new Reader(bytes), bytes.length, bounds, '', new Map());
}

function check(reader: Reader, end: number, bounds: FieldBounds, at: string, inAll: Map<FieldBound, number>): void {
  // By field; those without a bound share the first place.
  const counts: number[] = [];
  while (reader.pos < end) {
    const tag = reader.varint();
    const field = tag >>> 3;
    const bound = bounds[field];
    const before = counts[bound ? field : 0] ?? 0;
    counts[bound ? field : 0] = before + 1;
    if (!bound) {
      if (before >= OTHERS_MAX) throw invalid(at || 'message', `has more than ${OTHERS_MAX} other fields`);
    } else if (bound.inAll) {
      const count = (inAll.get(bound) ?? 0) + 1;
      inAll.set(bound, count);
      if (count > bound.max) throw invalid(named(at, bound), `are more than ${bound.max} in all`);
    } else if (before >= bound.max) throw invalid(named(at, bound), `are more than ${bound.max}`);
    if (bound?.inside && (tag & 7) === LENGTH_DELIMITED) {
      check(
        reader,
        reader.length(end),
        bound.inside,
        `${named(at, bound)}${bound.max > 1 ? `[${before}]` : ''}`,
        inAll,
      );
    } else reader.skip(tag, 0);
  }
  if (reader.pos !== end) throw truncated();
}

function named(at: string, { name }: FieldBound): string {
  return at === '' ? name : `${at}.${name}`;
}
