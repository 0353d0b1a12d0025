/**
 * Limits how often fields occur in a message, before the message is decoded: two bytes of an empty submessage become an
 * object of a hundred bytes. The contents of fields are skipped, so the check costs a fraction of decoding and no memory.
 */
import { invalid } from '../model/errors.js';
import { Reader, truncated } from './reader.js';

/** The bounds of one message, by field number. */
export type FieldBounds = { readonly [field: number]: FieldBound };

export interface FieldBound {
  /** The field's name, as in the .proto. */
  readonly name: string;
  readonly max: number;
  /** The most in all messages of this type together. */
  readonly inAll?: number;
  /** The bounds inside of the field's own message. */
  readonly inside?: FieldBounds;
}

/** For all fields without a bound of their own. A singular field may repeat too: decoders take the last occurrence. */
const OTHERS_MAX = 1000;
const LENGTH_DELIMITED = 2;

/** @throws ChordError INVALID_ARGUMENT that names the first field over its bound; also where the bytes are malformed */
export function checkBounds(bytes: Uint8Array, bounds: FieldBounds): void {
  check(new Reader(bytes), bytes.length, bounds, '', new Map());
}

function check(reader: Reader, end: number, bounds: FieldBounds, at: string, inAll: Map<FieldBound, number>): void {
  // Counts by field number; all fields without a bound share index 0.
  const counts: number[] = [];
  while (reader.pos < end) {
    const tag = reader.varint();
    const field = tag >>> 3;
    const bound = bounds[field];
    const before = counts[bound ? field : 0] ?? 0;
    counts[bound ? field : 0] = before + 1;
    if (!bound) {
      if (before >= OTHERS_MAX) throw invalid(at || 'message', `has more than ${OTHERS_MAX} other fields`);
    } else if (before >= bound.max) throw invalid(named(at, bound), `has more than ${bound.max} elements`);
    if (bound?.inAll !== undefined) {
      const count = (inAll.get(bound) ?? 0) + 1;
      inAll.set(bound, count);
      if (count > bound.inAll) throw invalid(named(at, bound), `has more than ${bound.inAll} elements in all`);
    }
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
