/**
 * What a decoded document takes in memory, about: what V8 on 64 bits uses for its objects, lists, texts and numbers.
 * Like the weight it is additive, so that changes alone keep it up to date; for that a member counts the same in an
 * object of any size. So small objects, which share their keys, take less than is counted, and none takes much more.
 */
import type { Changes } from '../../delta/index.js';
import { isObject, type Json } from '../../model/model.js';

const OBJECT = 56;
const LIST = 32;
/** A place in the hash table that an object of many members is, with the places that are free. */
const MEMBER = 48;
const ELEMENT = 8;
const NUMBER = 16;
const SMALL_INTEGER_MAX = 2 ** 31;

/** Bytes, beside the place in which it stands. */
export function heapOf(value: Json): number {
  if (typeof value === 'string') return textOf(value);
  if (typeof value === 'number') return isSmall(value) ? 0 : NUMBER;
  if (Array.isArray(value)) return LIST + heapOfAll(value);
  if (!isObject(value)) return 0;
  let bytes = OBJECT;
  for (const key of Object.keys(value)) bytes += MEMBER + textOf(key) + heapOf(value[key]!);
  return bytes;
}

/** By how much these changes move it. Old values that are not known count nothing. */
export function heapChange(changes: Changes): number {
  let bytes = 0;
  for (const change of changes) {
    const { action, path } = change;
    const member = MEMBER + textOf(path.at(-1)!);
    if (action === 'added') bytes += member + heapOf(change.value);
    else if (action === 'removed') bytes -= member + heapOf(change.old ?? null);
    else if (action === 'modified') bytes += heapOf(change.value) - heapOf(change.old ?? null);
    else bytes += heapOfAll(change.inserted) - heapOfAll(change.removed ?? []);
  }
  return bytes;
}

function heapOfAll(values: readonly Json[]): number {
  let bytes = ELEMENT * values.length;
  for (const value of values) bytes += heapOf(value);
  return bytes;
}

/** As if each character took one byte: V8 takes two for all of a text where one is beyond Latin-1. */
function textOf(text: string): number {
  return 24 + text.length;
}

function isSmall(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) < SMALL_INTEGER_MAX;
}
