/**
 * The approximate memory of a decoded document: what 64-bit V8 uses for objects, lists, texts and numbers. Like the
 * weight, the size is additive, so that changes alone keep it up to date; for that, a member counts the same in an object
 * of any size. So small objects, which share their keys, take less than the count, and no object takes much more.
 */
import type { Changes } from '../../delta/index.js';
import { isObject, type Json } from '../../model/model.js';
import { LOOK_BYTES, LOOK_EVERY, type Steps } from '../../model/steps.js';

const OBJECT = 56;
const LIST = 32;
/** A slot in the hash table of an object with many members, with its share of the free slots. */
const MEMBER = 48;
const ELEMENT = 8;
const NUMBER = 16;
const SMALL_INTEGER_MAX = 2 ** 31;

/** Bytes of a value, without the slot that refers to it. */
export function heapOf(value: Json): number {
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'number') return isSmall(value) ? 0 : NUMBER;
  if (Array.isArray(value)) return LIST + heapOfAll(value);
  if (!isObject(value)) return 0;
  let bytes = OBJECT;
  for (const key of Object.keys(value)) bytes += MEMBER + textOf(key) + heapOf(value[key]!);
  return bytes;
}

/** As `heapOf`, in steps. */
export function* heapOfInSteps(value: Json): Steps<number> {
  if (typeof value !== 'object' || value === null) return heapOf(value);
  let bytes = Array.isArray(value) ? LIST + ELEMENT * value.length : OBJECT;
  let count = 0;
  if (Array.isArray(value)) {
    for (const each of value) {
      bytes += typeof each === 'object' ? yield* heapOfInSteps(each) : heapOf(each);
      if (++count % LOOK_EVERY === 0) yield LOOK_BYTES;
    }
    return bytes;
  }
  for (const key of Object.keys(value)) {
    const each = value[key]!;
    bytes += MEMBER + textOf(key) + (typeof each === 'object' ? yield* heapOfInSteps(each) : heapOf(each));
    if (++count % LOOK_EVERY === 0) yield LOOK_BYTES;
  }
  return bytes;
}

/** By how much the changes move the heap size. Unknown old values count 0. */
export function heapChange(changes: Changes): number {
  let bytes = 0;
  for (const change of changes) {
    const { action, path } = change;
    const member = MEMBER + textOf(path.at(-1)!);
    if (action === 'added') bytes += member + heapOf(change.value);
    else if (action === 'removed') bytes -= member + heapOf(change.old ?? null);
    else if (action === 'modified') bytes += heapOf(change.value) - heapOf(change.old ?? null);
    else if (action === 'text_spliced') bytes += change.inserted.length - (change.removed?.length ?? 0);
    else bytes += heapOfAll(change.inserted) - heapOfAll(change.removed ?? []);
  }
  return bytes;
}

function heapOfAll(values: readonly Json[]): number {
  let bytes = ELEMENT * values.length;
  for (const value of values) bytes += heapOf(value);
  return bytes;
}

/** Counts one byte per character: V8 uses two for a whole text where one character is beyond Latin-1. */
function textOf(text: string): number {
  return 24 + text.length;
}

function isSmall(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < SMALL_INTEGER_MAX;
}
