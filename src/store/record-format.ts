/**
 * The byte format in which a durable engine stores heads, log records, snapshots and requests.
 *
 * All four have the same frame: some numbers, then some byte strings.
 *
 *     format (1 byte) | numbers (1) | blobs (1) | each number (8) | each blob's length (4) | the blobs
 *
 * The lengths must add up, so that truncated or foreign bytes are detected on reading (ChordError DATA_LOSS) and never
 * passed on. Numbers are big-endian doubles: exact up to 2^53, and sorted as their bytes where none is negative.
 */
import { ChordError } from '../model/errors.js';
import type { Head } from '../model/model.js';
import type { IndexKeys } from './retention-index.js';
import type { LogRecord, Request, Snapshot } from './store.js';

const FORMAT = 1;

/** A head as stored. */
export interface HeadRow {
  readonly head: Head;
  /** Only for an engine that keeps its indexes as retention-index.ts says. */
  readonly place?: Place;
}

/** The state of a context that an engine needs in order to move its index entries. */
export interface Place {
  /** The last trimmed version; 0: none was trimmed. Records are retained from the next version on. */
  readonly trimmed: number;
  /** The time of the oldest retained record; NaN where there is none. */
  readonly oldestAt: number;
  readonly entries: IndexKeys;
}

export function encodeHead({ head, place }: HeadRow): Buffer {
  const { position, expiry, touchedAt } = head;
  const numbers = [position.version, head.createdAt, head.updatedAt, head.weight];
  numbers.push(touchedAt ?? Number.NaN, expiry?.at ?? Number.NaN, expiry?.ttl ?? Number.NaN);
  if (place !== undefined) numbers.push(place.trimmed, place.oldestAt, ...place.entries);
  return encode(numbers, [position.epoch, position.digest]);
}

/** `what` names the value in the error message, here and below. */
export function decodeHead(bytes: Buffer, what: string): HeadRow {
  const { numbers, blobs } = decode(bytes, what, 7, 2);
  const position = { epoch: text(blobs[0]!), version: numbers[0]!, digest: text(blobs[1]!) };
  const head: Mutable<Head> = { position, createdAt: numbers[1]!, updatedAt: numbers[2]!, weight: numbers[3]! };
  if (!Number.isNaN(numbers[5]!)) head.expiry = { at: numbers[5]!, ttl: numbers[6]! };
  if (!Number.isNaN(numbers[4]!)) head.touchedAt = numbers[4]!;
  if (numbers.length === 7) return { head };
  return { head, place: { trimmed: numbers[7]!, oldestAt: numbers[8]!, entries: numbers.slice(9) } };
}

/** The name of a head in error messages. */
export function headOf(id: string): string {
  return `the head of context "${id}"`;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

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
  const lengthsAt = 3 + 8 * numbers.length;
  let size = lengthsAt + 4 * blobs.length;
  for (const blob of blobs) size += Buffer.byteLength(blob);

  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = FORMAT;
  bytes[1] = numbers.length;
  bytes[2] = blobs.length;
  for (let i = 0; i < numbers.length; i++) bytes.writeDoubleBE(numbers[i]!, 3 + 8 * i);
  let at = lengthsAt + 4 * blobs.length;
  for (let i = 0; i < blobs.length; i++) {
    const blob = blobs[i]!;
    const before = at;
    if (typeof blob === 'string') at += bytes.write(blob, at);
    else {
      bytes.set(blob, at);
      at += blob.length;
    }
    bytes.writeUInt32BE(at - before, lengthsAt + 4 * i);
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
  return new ChordError('DATA_LOSS', `${what}: the stored bytes are damaged`);
}
