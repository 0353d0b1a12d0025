/** The parts of a value in the order in which they are shown, in ranges where they are many. */
import { isObject, type Json, type JsonObject } from '../../../clients/typescript/src/json.js';

export type Container = JsonObject | readonly Json[];

/** Rows that one opened container or range shows, at most. */
export const ROWS_MAX = 100;

export interface Part {
  readonly key: string;
  readonly value: Json;
}

/** Parts from `from` up to `to`, without `to`. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export function isContainer(value: Json | undefined): value is Container {
  return typeof value === 'object' && value !== null;
}

const keys = new WeakMap<object, readonly string[]>();

/** Read once for each object: a document of a million members is not listed again for each row. */
export function keysOf(object: JsonObject): readonly string[] {
  let known = keys.get(object);
  if (!known) {
    known = Object.keys(object);
    keys.set(object, known);
  }
  return known;
}

export function countOf(container: Container): number {
  return Array.isArray(container) ? container.length : keysOf(container as JsonObject).length;
}

export function keyAt(container: Container, index: number): string {
  return isObject(container as Json) ? keysOf(container as JsonObject)[index]! : String(index);
}

/** At most ROWS_MAX ranges of equal length, a power of ROWS_MAX; or the parts themselves. */
export function divide(container: Container, { from, to }: Range): readonly Part[] | readonly Range[] {
  const count = to - from;
  if (count <= ROWS_MAX) {
    return Array.from({ length: count }, (_, i) => {
      const key = keyAt(container, from + i);
      return { key, value: (container as JsonObject)[key]! };
    });
  }
  const step = ROWS_MAX ** (Math.ceil(Math.log(count) / Math.log(ROWS_MAX) - 1e-9) - 1);
  return Array.from({ length: Math.ceil(count / step) }, (_, i) => ({
    from: from + i * step,
    to: Math.min(to, from + (i + 1) * step),
  }));
}

export function isRange(part: Part | Range): part is Range {
  return 'from' in part;
}
