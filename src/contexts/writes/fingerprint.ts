/**
 * A hash of what a request asks for. The order of members is no difference: clients encode maps in any order, and may
 * do so anew for each try. It finds a client's mistake among its own requests, and is no defence against collisions that
 * a caller makes for itself; so it need not be cryptographic, which would cost many times as much.
 */
import { symbols } from '../position.js';

const [SEED_A, SEED_B] = [0x2f0b4c47, 0x5d1a6e91];
const number = new Float64Array(1);
const words = new Int32Array(number.buffer);

// The state of the two hashes. Nothing here waits for anything, so one of each will do.
let a = 0;
let b = 0;

/** Eight symbols: 48 bits. What JSON leaves out of objects, members that are undefined, is left out here. */
export function fingerprint(asked: unknown): string {
  a = SEED_A;
  b = SEED_B;
  mixValue(asked);
  return symbols(finish(a) >>> 8, finish(b) >>> 8);
}

function mixValue(value: unknown): void {
  if (typeof value === 'string') mixText(value);
  else if (typeof value === 'number') mixNumber(value);
  else if (typeof value === 'boolean') mix(value ? 3 : 4);
  else if (typeof value !== 'object' || value === null) mix(5);
  else if (Array.isArray(value)) mixList(value);
  else mixObject(value as Readonly<Record<string, unknown>>);
}

/** All of its bits: documents have two zeros. */
function mixNumber(value: number): void {
  number[0] = value;
  mix(2);
  mix(words[0]!);
  mix(words[1]!);
}

function mixText(text: string): void {
  mix(1);
  for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i));
  mix(text.length);
}

function mixList(list: readonly unknown[]): void {
  mix(6);
  for (const item of list) mixValue(item);
  mix(list.length);
}

/** The sum of its members' hashes, which has no order. */
function mixObject(object: Readonly<Record<string, unknown>>): void {
  const [outerA, outerB] = [a, b];
  let sumA = 0;
  let sumB = 0;
  for (const key of Object.keys(object)) {
    const value = object[key];
    if (value === undefined) continue;
    a = SEED_A;
    b = SEED_B;
    mixText(key);
    mixValue(value);
    sumA = (sumA + finish(a)) | 0;
    sumB = (sumB + finish(b)) | 0;
  }
  a = outerA;
  b = outerB;
  mix(7);
  mix(sumA);
  mix(sumB);
}

function mix(word: number): void {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  a ^= k;
  a = (Math.imul((a << 13) | (a >>> 19), 5) + 0xe6546b64) | 0;
  k = Math.imul(word, 0x239b961b);
  k = Math.imul((k << 16) | (k >>> 16), 0xab0e9789);
  b ^= k;
  b = (Math.imul((b << 17) | (b >>> 15), 5) + 0x561ccd1b) | 0;
}

function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
