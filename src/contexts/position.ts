/** Creates positions: new epochs, and the digest of the next version. */
import { randomBytes } from 'node:crypto';
import { type Payload, type Position, samePosition } from '../model/model.js';
import type { LogRecord } from '../store/store.js';

/** Letters and digits only: a position is safe on command lines. Two symbols occur twice, at a cost of less than a bit. */
const SYMBOLS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz012345678901';
/** All pairs of symbols: one pair encodes 12 bits. */
const PAIRS = [...SYMBOLS].flatMap((first) => [...SYMBOLS].map((second) => first + second));

/** The position of version 0 of a new life: the first delta starts here. */
export function newLife(): Position {
  const bytes = randomBytes(6);
  return { epoch: write(bytes.readUIntBE(0, 3), bytes.readUIntBE(3, 3)), version: 0, digest: '' };
}

/**
 * The position after one more delta. The digest chains all deltas of the epoch: 48 bits, enough to tell apart two
 * histories that a failover produced. The digest is no defence against a deliberate collision.
 *
 * It consists of two 32-bit hashes like MurmurHash3, of which 24 bits each are kept. For the hundred bytes of a usual
 * delta, a hash of node:crypto takes six times as long, most of it for the call into native code.
 */
export function advance(from: Position, { changes, olds }: Payload): Position {
  const { digest } = from;
  a = 0x9747b28c;
  b = 0x3c6ef372;
  for (let i = 0; i < digest.length; i++) mix(digest.charCodeAt(i));
  mixAll(changes);
  mixAll(olds);
  return { epoch: from.epoch, version: from.version + 1, digest: write(finish(a) >>> 8, finish(b) >>> 8) };
}

/**
 * Whether a record leads on from a position. Within one answer of a store each record leads on from the one before; between
 * two answers the history may have been thinned.
 */
export function leadsOn({ position, merged }: LogRecord, from: Position): boolean {
  if (merged) return samePosition(merged.base, from);
  return position.epoch === from.epoch && position.version === from.version + 1;
}

// The state of the two hashes, shared by all calls: the functions are synchronous.
let a = 0;
let b = 0;

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

/** Mixes the length in too: bytes that move from one part to the next change the hash. */
function mixAll(bytes: Uint8Array): void {
  const { length } = bytes;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    mix(bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
  }
  let rest = 0;
  for (let i = whole; i < length; i++) rest = (rest << 8) | bytes[i]!;
  mix(rest);
  mix(length);
}

function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Twice 24 bits as eight symbols. */
export { write as symbols };

function write(high: number, low: number): string {
  return PAIRS[high >>> 12]! + PAIRS[high & 0xfff]! + PAIRS[low >>> 12]! + PAIRS[low & 0xfff]!;
}
