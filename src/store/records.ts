/**
 * How a durable engine writes heads, log records, snapshots and requests as bytes, and reads them back.
 *
 * All four are the same frame: some numbers, then some byte strings.
 *
 *     format (1 byte) | numbers (1) | blobs (1) | each number (8) | each blob's length (4) | the blobs
 *
 * The lengths must add up, so that cut or foreign bytes are found on reading (ChordError DATA_LOSS) and never
 * passed on. Numbers are big-endian doubles: exact up to 2^53, and sorted as their bytes where none is negative.
 */
import { ChordError } from '../errors.js';
import type { Head } from '../model.js';
import type { LogRecord, Request, Snapshot } from './store.js';

const FORMAT = 1;

/** A head as stored. `due`: where the context stands in the expiry index, at or before its true expiry. */
export interface HeadRow {
  readonly head: Head;
  readonly due?: number;
}

export function encodeHead({ head, due }: HeadRow): Buffer {
  const { position, expiry } = head;
  const numbers = [position.version, head.createdAt, head.updatedAt, head.weight];
  if (expiry !== undefined) numbers.push(expiry.at, expiry.ttl, due ?? expiry.at);
  return encode(numbers, [position.epoch, position.digest]);
}

/** `what` names the value in the message of the error. So it does below. */
export function decodeHead(bytes: Buffer, what: string): HeadRow {
  const { numbers, blobs } = decode(bytes, what, 4, 2);
  const position = { epoch: text(blobs[0]!), version: numbers[0]!, digest: text(blobs[1]!) };
  const head = { position, createdAt: numbers[1]!, updatedAt: numbers[2]!, weight: numbers[3]! };
  if (numbers.length < 7) return { head };
  return { head: { ...head, expiry: { at: numbers[4]!, ttl: numbers[5]! } }, due: numbers[6]! };
}

export function encodeRecord({ position, at, changes, olds }: LogRecord): Buffer {
  return encode([position.version, at], [position.epoch, position.digest, changes, olds]);
}

export function decodeRecord(bytes: Buffer, what: string): LogRecord {
  const { numbers, blobs } = decode(bytes, what, 2, 4);
  const position = { epoch: text(blobs[0]!), version: numbers[0]!, digest: text(blobs[1]!) };
  return { position, at: numbers[1]!, changes: blobs[2]!, olds: blobs[3]! };
}

export function encodeSnapshot({ version, bytes }: Snapshot): Buffer {
  return encode([version], [bytes]);
}

export function decodeSnapshot(bytes: Buffer, what: string): Snapshot {
  const { numbers, blobs } = decode(bytes, what, 1, 1);
  return { version: numbers[0]!, bytes: blobs[0]! };
}

export function encodeRequest({ id, fingerprint, result, at }: Request): Buffer {
  return encode([at], [id, fingerprint, result]);
}

export function decodeRequest(bytes: Buffer, what: string): Request {
  const { numbers, blobs } = decode(bytes, what, 1, 3);
  return { id: text(blobs[0]!), fingerprint: text(blobs[1]!), result: blobs[2]!, at: numbers[0]! };
}

function encode(numbers: readonly number[], blobs: readonly (string | Uint8Array)[]): Buffer {
  const lengths = blobs.map((blob) => Buffer.byteLength(blob));
  const head = 3 + 8 * numbers.length + 4 * blobs.length;

  const bytes = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, head));
  bytes[0] = FORMAT;
  bytes[1] = numbers.length;
  bytes[2] = blobs.length;
  let at = 3;
  for (const number of numbers) at = bytes.writeDoubleBE(number, at);
  for (const length of lengths) at = bytes.writeUInt32BE(length, at);
  for (const blob of blobs) {
    if (typeof blob === 'string') at += bytes.write(blob, at);
    else {
      bytes.set(blob, at);
      at += blob.length;
    }
  }
  return bytes;
}

/** The blobs are views of `bytes`. */
function decode(bytes: Buffer, what: string, minNumbers: number, blobCount: number) {
  const numberCount = bytes[1] ?? 0;
  const lengthsAt = 3 + 8 * numberCount;
  let at = lengthsAt + 4 * blobCount;
  if (bytes[0] !== FORMAT || bytes[2] !== blobCount || numberCount < minNumbers || bytes.length < at) throw lost(what);

  const numbers: number[] = [];
  for (let i = 0; i < numberCount; i++) numbers.push(bytes.readDoubleBE(3 + 8 * i));
  const blobs: Buffer[] = [];
  for (let i = 0; i < blobCount; i++) {
    const end = at + bytes.readUInt32BE(lengthsAt + 4 * i);
    blobs.push(bytes.subarray(at, end));
    at = end;
  }
  if (at !== bytes.length) throw lost(what);
  return { numbers, blobs };
}

function text(bytes: Buffer): string {
  return bytes.toString('utf8');
}

function lost(what: string): ChordError {
  return new ChordError('DATA_LOSS', `${what}: the stored bytes are not what was written`);
}
