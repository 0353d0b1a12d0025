/**
 * Work in steps. A generator yields the bytes of work since it last yielded, so that its caller can let other work have a
 * turn of the event loop in between, and returns the result.
 */
import type { Json } from './model.js';

export type Steps<T> = Generator<number, T, void>;

/** Members or changes between two looks, and the bytes that they stand for. */
export const LOOK_EVERY = 64;
export const LOOK_BYTES = 4096;

/** A value of so few parts is handled in one step. */
const SMALL_PARTS = 64;

/** Whether a value has few parts. Costs no more than these. */
export function isSmall(value: Json): boolean {
  return typeof value !== 'object' || value === null || partsLeft(value, SMALL_PARTS) >= 0;
}

/** How many of so many parts are left when those of the value are taken away; less than 0: there are more. */
export function partsLeft(value: Json, parts: number): number {
  if (typeof value !== 'object' || value === null) return parts - 1;
  let left = parts - 1;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length && left >= 0; i++) left = partsLeft(value[i]!, left);
    return left;
  }
  for (const key in value) {
    left = partsLeft(value[key]!, left);
    if (left < 0) break;
  }
  return left;
}
