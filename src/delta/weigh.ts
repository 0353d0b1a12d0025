/**
 * The size of a value, without encoding the value. The weight is additive, so the weight of a document can be updated
 * from changes alone; for that, a container must count the same whatever its contents. Lengths of unknown size are
 * therefore counted at their maximum:
 *
 *   a member      entry tag and length (1 + 4), key tag, key length, key
 *   a value       as member or element: tag and length, then the tag of its kind and its payload
 *   a container   as a value, both lengths at 3 bytes (the length that lists of empty lists can bear)
 *
 * Containers of 2 MiB and more have lengths of 4 bytes, which is up to 62 bytes too few in 31 levels. Their contents
 * compensate for that: every scalar counts one byte too many, and text counts one byte too many for each 16 KiB.
 *
 * For every document below 256 MiB: wire size <= weight <= 2 * wire size + 8.
 */
import { isObject, type Json } from '../model/model.js';
import { known } from './mismatch.js';
import { bytesAfter } from './text.js';
import type { Change, Changes } from './types.js';

const MEMBER = 6;
const CONTAINER = 8;
const FLAG = 5;
const NUMBER = 12;
const STRING = 3;

/** Bytes, an upper bound of the size on the wire. */
export function weigh(value: Json): number {
  if (typeof value === 'string') return weighString(Buffer.byteLength(value));
  if (typeof value === 'number') return NUMBER;
  if (Array.isArray(value)) return CONTAINER + weighAll(value);
  if (!isObject(value)) return FLAG;

  let weight = CONTAINER;
  for (const key of Object.keys(value)) weight += weighMember(key, value[key]!);
  return weight;
}

/** By how much the changes move a document's weight. They must carry their old values: throws DeltaMismatch. */
export function weightChange(changes: Changes): number {
  let weight = 0;
  for (const change of changes) weight += weightChangeOf(change);
  return weight;
}

function weightChangeOf(change: Change): number {
  switch (change.action) {
    case 'added':
      return weighMember(change.path.at(-1)!, change.value);
    case 'removed':
      return -weighMember(change.path.at(-1)!, known(change.old, change));
    case 'modified':
      return weigh(change.value) - weigh(known(change.old, change));
    case 'spliced':
      return weighAll(change.inserted) - weighAll(known(change.removed, change));
    case 'text_spliced': {
      const before = known(change.oldBytes, change);
      return weighString(bytesAfter(before, change)) - weighString(before);
    }
  }
}

function weighMember(key: string, value: Json): number {
  return MEMBER + text(Buffer.byteLength(key), 1) + weigh(value);
}

/** A string of so many bytes. */
function weighString(bytes: number): number {
  return STRING + text(bytes, 2);
}

function weighAll(values: readonly Json[]): number {
  let weight = 0;
  for (const value of values) weight += weigh(value);
  return weight;
}

/** UTF-8 bytes of a text, plus the given number of length prefixes of about that value. */
function text(bytes: number, lengths: number): number {
  const length = bytes < 120 ? 1 : bytes < 16_000 ? 2 : bytes < 2_000_000 ? 3 : 4;
  return lengths * length + bytes + (bytes >> 14);
}
