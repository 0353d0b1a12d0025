/** What scenarios expect of answers. Numbers compare by Object.is: -0 is not 0. */
import { equal } from '../../src/delta/index.js';
import type { Json } from '../../src/model/model.js';
import type { Answer } from './driver.js';
import { OpError } from './driver.js';
import { write } from './json.js';

/** Members that are documents or parts of them, and those where one more is one too many. */
const EXACT = new Set(['value', 'old', 'inserted', 'removed', 'known', 'events', 'violations', 'path', 'annotations']);

export function same(actual: unknown, expected: unknown, what: string): void {
  if (actual === undefined || !equal(actual as Json, expected as Json)) {
    throw new Error(`${what}: expected ${short(expected)}, got ${short(actual)}`);
  }
}

/** At least the members of `expected`; lists are as long, documents the same. */
export function like(actual: Answer, expected: unknown, what: string): void {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) {
      throw new Error(`${what}: expected ${short(expected)}, got ${short(actual)}`);
    }
    expected.forEach((value, i) => {
      like(actual[i], value, `${what}[${i}]`);
    });
  } else if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null) throw new Error(`${what}: got ${short(actual)}`);
    for (const [key, value] of Object.entries(expected)) {
      if (EXACT.has(key) && key !== 'events') same(actual[key], value, `${what}.${key}`);
      else like(actual[key], value, `${what}.${key}`);
    }
  } else {
    same(actual, expected, what);
  }
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** The error of an op that must fail. */
export async function failure(call: Promise<unknown>, what: string): Promise<OpError['form']> {
  try {
    const answer = await call;
    throw new Error(`${what}: expected an error, got ${short(answer)}`);
  } catch (error) {
    if (error instanceof OpError) return error.form;
    throw error;
  }
}

function short(value: unknown): string {
  const text = value === undefined ? 'nothing' : write(value);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
