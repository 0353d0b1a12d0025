/**
 * The byte format in which a durable engine stores heads, log records, snapshots and requests.
 *
 * The first three are the same frame: some numbers, then some byte strings.
 *
 *     format (1 byte) | numbers (1) | blobs (1) | each number (8) | each blob's length (4) | the blobs
 *
 * The low half of the first byte is the format of the frame. The high half tells how the changes or the snapshot in it are
 * encoded: PAYLOAD_ENCODING less one.
 *
 * The lengths must add up, so that truncated or foreign bytes are detected on reading (ChordError DATA_LOSS) and never
 * passed on. Numbers are big-endian doubles: exact up to 2^53, and sorted as their bytes where none is negative.
 *
 * A request is remembered for each write of most clients, so it is shorter: its id is in its key alone.
 *
 *     format 2 (1 byte) | time (6) | length of the fingerprint (1) | the fingerprint | the result
 *
 * A member that expires is text, since a script inside Redis reads its time: `<time>:<time to live>:<path>`.
 *
 * What came later is at the end, and only where it is used: bytes of earlier releases are read as they are, and those of
 * contexts in which no member expires are the same as before. Earlier releases skip numbers that they do not know. So the
 * author and the annotations of a record stand among its numbers, as bytes, and servers can be upgraded one by one:
 *
 *     version | time | flags | length of the provenance (2 bytes) | the provenance | zeros, up to a multiple of 8 bytes
 *
 * and so does what a record of several versions has, between the provenance and the zeros:
 *
 *     version of the base (8 bytes) | length of its digest (1) | length of the seal (1) | its digest | the seal
 */
import { ChordError } from '../model/errors.js';
import { type Head, PAYLOAD_ENCODING } from '../model/model.js';
import { INDEXES, type IndexKeys } from './retention-index.js';
import type { LogRecord, Member, Merged, Request, Snapshot } from './store.js';

const FRAME_FORMAT = 1;
const FORMAT = ((PAYLOAD_ENCODING - 1) << 4) | FRAME_FORMAT;
const REQUEST_FORMAT = 2;
/** Where the fingerprint of a request begins. */
const PRINT_AT = 8;

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
  /** Where the head has a mark: the number under which the present members are stored. */
  readonly generation?: number;
  /** The number of versions behind the trimmed ones that were merged away. Absent: none was; likewise below. */
  readonly thinned?: number;
  /** What `Store.thin` has set, for the index `age`. */
  readonly next?: number;
}

/** The numbers of a head without and with a place, where no member expires: so earlier releases wrote them. */
const HEAD_NUMBERS = 7;
const FORMER_INDEXES = 4;
const PLACED_NUMBERS = HEAD_NUMBERS + 2 + FORMER_INDEXES;
/** Flags of a record: members expired; a provenance follows; a base follows, behind the provenance. */
const EXPIRED = 1;
const HAS_PROVENANCE = 2;
const MERGED = 4;
const RECORD_NUMBERS = 3;

export function encodeHead({ head, place }: HeadRow): Buffer {
  const { position, expiry, touchedAt } = head;
  const numbers = [position.version, head.createdAt, head.updatedAt, head.weight];
  numbers.push(touchedAt ?? Number.NaN, expiry?.at ?? Number.NaN, expiry?.ttl ?? Number.NaN);
  const { members } = head;
  if (place !== undefined) numbers.push(place.trimmed, place.oldestAt, ...place.entries.slice(0, FORMER_INDEXES));
  const thin = place?.thinned !== undefined || place?.next !== undefined;
  if (members !== undefined || thin) {
    numbers.push(members?.stamp ?? Number.NaN, members?.due ?? Number.NaN);
    if (place !== undefined) numbers.push(...place.entries.slice(FORMER_INDEXES), place.generation ?? Number.NaN);
  }
  if (thin) numbers.push(place?.thinned ?? Number.NaN, place?.next ?? Number.NaN);
  return encode(numbers, [position.epoch, position.digest]);
}

/** `what` names the value in the error message, here and below. */
export function decodeHead(bytes: Buffer, what: string): HeadRow {
  const { numbers, blobs } = decode(bytes, what, HEAD_NUMBERS, 2);
  const position = { epoch: text(blobs[0]!), version: numbers[0]!, digest: text(blobs[1]!) };
  const head: Mutable<Head> = { position, createdAt: numbers[1]!, updatedAt: numbers[2]!, weight: numbers[3]! };
  if (!Number.isNaN(numbers[5]!)) head.expiry = { at: numbers[5]!, ttl: numbers[6]! };
  if (!Number.isNaN(numbers[4]!)) head.touchedAt = numbers[4]!;
  const placed = numbers.length >= PLACED_NUMBERS;
  const more = placed ? PLACED_NUMBERS : HEAD_NUMBERS;
  if (!Number.isNaN(numbers[more] ?? Number.NaN)) head.members = { stamp: numbers[more]!, due: numbers[more + 1]! };
  if (!placed) return { head };
  const [trimmed, oldestAt] = [numbers[HEAD_NUMBERS]!, numbers[HEAD_NUMBERS + 1]!];
  const former = numbers.slice(HEAD_NUMBERS + 2, PLACED_NUMBERS);
  const later = INDEXES.slice(FORMER_INDEXES).map((_, i) => numbers[more + 2 + i] ?? Number.NaN);
  const entries = [...former, ...later];
  const place: Mutable<Place> = { trimmed, oldestAt, entries };
  const [generation, thinned, next] = numbers
    .slice(more + 2 + later.length)
    .map((n) => (Number.isNaN(n) ? undefined : n));
  if (generation !== undefined) place.generation = generation;
  if (thinned !== undefined) place.thinned = thinned;
  if (next !== undefined) place.next = next;
  return { head, place };
}

/** The name of a head in error messages. */
export function headOf(id: string): string {
  return `the head of context "${id}"`;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function encodeRecord({ position, at, changes, olds, cause, provenance, merged }: Recorded): Buffer {
  const blobs = [position.epoch, position.digest, changes, olds];
  if (cause === undefined && provenance === undefined && merged === undefined) {
    return encode([position.version, at], blobs);
  }
  const expired = cause === undefined ? 0 : EXPIRED;
  if (merged !== undefined) {
    const flags = expired | MERGED | (provenance === undefined ? 0 : HAS_PROVENANCE);
    return encode([position.version, at, flags], blobs, provenance ?? NO_BYTES, encodeMerged(merged));
  }
  if (provenance === undefined) return encode([position.version, at, expired], blobs);
  return encode([position.version, at, expired | HAS_PROVENANCE], blobs, provenance);
}

/** A record whose absent parts may be undefined. */
type Recorded = Omit<LogRecord, 'cause' | 'provenance'> & {
  readonly cause?: LogRecord['cause'] | undefined;
  readonly provenance?: Uint8Array | undefined;
};

function encodeMerged({ base, seal }: Merged): Uint8Array {
  const bytes = Buffer.alloc(10 + Buffer.byteLength(base.digest) + Buffer.byteLength(seal));
  bytes.writeDoubleBE(base.version);
  bytes[8] = Buffer.byteLength(base.digest);
  bytes[9] = bytes.length - 10 - bytes[8];
  bytes.write(`${base.digest}${seal}`, 10);
  return bytes;
}

export function decodeRecord(bytes: Buffer, what: string): LogRecord {
  const { numbers, blobs } = decode(bytes, what, 2, 4);
  const position = { epoch: text(blobs[0]!), version: numbers[0]!, digest: text(blobs[1]!) };
  const record = { position, at: numbers[1]!, changes: blobs[2]!, olds: blobs[3]! };
  const flags = numbers[2] ?? 0;
  if (flags === 0) return record;
  return {
    ...record,
    ...(flags & EXPIRED && { cause: 'expired' as const }),
    ...(flags & HAS_PROVENANCE && { provenance: provenanceIn(bytes, what) }),
    ...(flags & MERGED && { merged: mergedIn(bytes, position.epoch, what) }),
  };
}

function mergedIn(bytes: Buffer, epoch: string, what: string): Merged {
  const { length, byteOffset } = provenanceIn(bytes, what);
  const begin = byteOffset - bytes.byteOffset + length;
  const end = numberAt(bytes[1]!);
  const digestAt = begin + 10;
  if (digestAt > end) throw lost(what);
  const sealAt = digestAt + bytes[begin + 8]!;
  const sealEnd = sealAt + bytes[begin + 9]!;
  if (sealEnd > end) throw lost(what);
  const digest = bytes.toString('utf8', digestAt, sealAt);
  return {
    base: { epoch, version: bytes.readDoubleBE(begin), digest },
    seal: bytes.toString('utf8', sealAt, sealEnd),
  };
}

function provenanceIn(bytes: Buffer, what: string): Uint8Array {
  const begin = numberAt(RECORD_NUMBERS) + 2;
  const end = numberAt(bytes[1]!);
  if (begin > end) throw lost(what);
  const length = bytes.readUInt16BE(begin - 2);
  if (length > end - begin) throw lost(what);
  return bytes.subarray(begin, begin + length);
}

export function encodeMember({ at, ttl, path }: Member): string {
  return `${at}:${ttl}:${path}`;
}

export function decodeMember(bytes: Uint8Array, number: number, what: string): Member {
  const [, at, ttl, path] = /^(\d+):(\d+):(.*)$/s.exec(Buffer.from(bytes).toString()) ?? [];
  if (path === undefined) throw lost(what);
  return { number, at: Number(at), ttl: Number(ttl), path };
}

/** The name of a member in error messages. */
export function memberOf(id: string, number: number): string {
  return `expiring member ${number} of context "${id}"`;
}

export function encodeSnapshot({ version, bytes }: Snapshot): Buffer {
  return encode([version], [bytes]);
}

export function decodeSnapshot(bytes: Buffer, what: string): Snapshot {
  const { numbers, blobs } = decode(bytes, what, 1, 1);
  return { version: numbers[0]!, bytes: blobs[0]! };
}

export function encodeRequest({ fingerprint, result, at }: Request): Buffer {
  const end = PRINT_AT + Buffer.byteLength(fingerprint);
  const bytes = Buffer.allocUnsafe(end + result.length);
  bytes[0] = REQUEST_FORMAT;
  bytes.writeUIntBE(at, 1, 6);
  bytes[7] = end - PRINT_AT;
  bytes.write(fingerprint, PRINT_AT);
  bytes.set(result, end);
  return bytes;
}

/** `id` as it was remembered under. */
export function decodeRequest(bytes: Buffer, id: string, what: string): Request {
  if (bytes[0] === REQUEST_FORMAT) {
    const end = PRINT_AT + (bytes[7] ?? 0);
    if (bytes.length < end) throw lost(what);
    return {
      id,
      fingerprint: bytes.toString('utf8', PRINT_AT, end),
      result: bytes.subarray(end),
      at: bytes.readUIntBE(1, 6),
    };
  }
  const { numbers, blobs } = decode(bytes, what, 1, 3);
  if (text(blobs[0]!) !== id) throw lost(what);
  return { id, fingerprint: text(blobs[1]!), result: blobs[2]!, at: numbers[0]! };
}

/** Whether an earlier release wrote it: in the frame of the others, and in an index of times. */
export function isFormerRequest(bytes: Buffer): boolean {
  return bytes[0] === FORMAT;
}

/** When a request was made, in bytes of the present form. */
export function requestTime(bytes: Buffer): number {
  return bytes.readUIntBE(1, 6);
}

const NO_BYTES = new Uint8Array();

/** `extra` stands behind the numbers, as if it were some more, and `more` behind it. */
function encode(
  numbers: readonly number[],
  blobs: readonly (string | Uint8Array)[],
  extra?: Uint8Array,
  more: Uint8Array = NO_BYTES,
): Buffer {
  const count = numbers.length + (extra ? Math.ceil((2 + extra.length + more.length) / 8) : 0);
  const lengthsAt = numberAt(count);
  let size = lengthsAt + 4 * blobs.length;
  for (const blob of blobs) size += Buffer.byteLength(blob);

  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = FORMAT;
  bytes[1] = count;
  bytes[2] = blobs.length;
  for (let i = 0; i < numbers.length; i++) bytes.writeDoubleBE(numbers[i]!, numberAt(i));
  if (extra) {
    // By single bytes: a call of Buffer for each would cost more than all of this.
    const begin = numberAt(numbers.length) + 2;
    bytes[begin - 2] = extra.length >> 8;
    bytes[begin - 1] = extra.length & 0xff;
    bytes.set(extra, begin);
    bytes.set(more, begin + extra.length);
    for (let i = begin + extra.length + more.length; i < lengthsAt; i++) bytes[i] = 0;
  }
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

/** Where a number of a frame begins. */
function numberAt(index: number): number {
  return 3 + 8 * index;
}

/** The blobs are views of `bytes`. */
function decode(bytes: Buffer, what: string, minNumbers: number, blobCount: number) {
  if (bytes.length > 0 && bytes[0] !== FORMAT) throw unknownFormat(bytes[0]!, what);
  const numberCount = bytes[1] ?? 0;
  const lengthsAt = numberAt(numberCount);
  let at = lengthsAt + 4 * blobCount;
  if (bytes[2] !== blobCount || numberCount < minNumbers || bytes.length < at) throw lost(what);

  const numbers: number[] = [];
  for (let i = 0; i < numberCount; i++) numbers.push(bytes.readDoubleBE(numberAt(i)));
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

function unknownFormat(byte: number, what: string): ChordError {
  const [format, encoding] = [byte & 0x0f, (byte >> 4) + 1];
  if (format !== FRAME_FORMAT) return lost(what);
  return new ChordError('DATA_LOSS', `${what}: its encoding is ${encoding}, this Chord reads ${PAYLOAD_ENCODING}`);
}

function lost(what: string): ChordError {
  return new ChordError('DATA_LOSS', `${what}: the stored bytes are damaged`);
}
