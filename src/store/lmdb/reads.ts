/** The keys of the LMDB layout, and reads by these keys. All reads see the durable state only. */
import { ChordError } from '../../model/errors.js';
import * as records from '../record-format.js';
import { INDEXES, type IndexKeys, trueKeys } from '../retention-index.js';
import type { Due, LogRecord, Request, Snapshot } from '../store.js';
import { RUN_VERIFY } from './errors.js';
import type { Databases } from './schema.js';

/** The limit of LMDB with pages of 4 KiB. */
const MAX_KEY_BYTES = 1978;
/** The number of index entries with too low keys that are collected before they are corrected. */
const MAX_EARLY = 1_000;

export function idKey(id: string): Buffer {
  return Buffer.from(id);
}

export function logKey(id: string, version: number): Buffer {
  const length = Buffer.byteLength(id);
  const key = Buffer.allocUnsafe(length + 9);
  key.write(id);
  key[length] = 0;
  key.writeDoubleBE(version, length + 1);
  return key;
}

/** Sorts behind all versions: no version, as a double, begins with this byte. */
export function headKey(id: string): Buffer {
  const length = Buffer.byteLength(id);
  const key = Buffer.allocUnsafe(length + 2);
  key.write(id);
  key[length] = 0;
  key[length + 1] = 0xff;
  return key;
}

/** The version at the end of a log key. */
export function versionIn(key: Buffer): number {
  return key.readDoubleBE(key.length - 8);
}

/** `key` as in Store.due. A negative key is stored with an offset, from the point where doubles cease to be exact. */
export function dueKey(index: number, key: number, id: string): Buffer {
  return Buffer.concat([Buffer.from([index]), numberKey(key + offset(index)), Buffer.from(id)]);
}

function offset(index: number): number {
  return INDEXES[index] === 'length' ? 2 ** 53 : 0;
}

export function requestKey(id: string, requestId: string): Buffer {
  const key = Buffer.from(`${id}\0${requestId}`);
  if (key.length > MAX_KEY_BYTES - 8) throw new ChordError('INVALID_ARGUMENT', 'the request id is too long');
  return key;
}

export function requestTimeKey(at: number, id: string, requestId: string): Buffer {
  return Buffer.concat([numberKey(at), requestKey(id, requestId)]);
}

/** The value must not be negative: then the bytes sort as the numbers do. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeDoubleBE(value);
  return key;
}

/** The index keys of a context. */
export function keysOf({ head, place }: records.HeadRow): IndexKeys {
  const { trimmed, oldestAt } = place as records.Place;
  return trueKeys(head, head.position.version - trimmed, oldestAt);
}

export class LmdbReads {
  constructor(readonly db: Databases) {}

  /** Null where there is no such context. Throws DATA_LOSS where the list knows one, and its head is missing. */
  row(id: string): records.HeadRow | null {
    const row = this.find(id);
    if (row === null && this.db.ids.getBinaryFast(idKey(id)) !== undefined) throw lost(id);
    return row;
  }

  /** The same, without a look at the list. */
  find(id: string): records.HeadRow | null {
    // Fast: the bytes are not copied, and only valid until the next read. Decoding keeps none of them.
    const bytes = this.db.contexts.getBinaryFast(headKey(id));
    return bytes === undefined ? null : records.decodeHead(bytes, `the head of context "${id}"`);
  }

  record(id: string, version: number): LogRecord | null {
    const bytes = this.db.contexts.getBinary(logKey(id, version));
    return bytes === undefined ? null : records.decodeRecord(bytes, `version ${version} of context "${id}"`);
  }

  snapshot(id: string): Snapshot | null {
    const bytes = this.db.snapshots.getBinary(idKey(id));
    return bytes === undefined ? null : records.decodeSnapshot(bytes, `the snapshot of context "${id}"`);
  }

  request(id: string, requestId: string): Request | null {
    const bytes = this.db.requests.getBinary(requestKey(id, requestId));
    return bytes === undefined ? null : records.decodeRequest(bytes, `request "${requestId}" of context "${id}"`);
  }

  /** Keys of records with versions `from` to `upTo`, of any life, oldest first, at most `limit`. */
  logKeys(id: string, from: number, upTo: number, limit: number): Buffer[] {
    return [...this.db.contexts.getKeys({ start: logKey(id, from), end: logKey(id, upTo + 1), limit })];
  }

  /** The first version in the log; the head's version plus 1 where the log is empty. */
  oldest(id: string, { head, place }: records.HeadRow): number {
    const { version } = head.position;
    const [key] = this.logKeys(id, (place?.trimmed ?? 0) + 1, version, 1);
    return key === undefined ? version + 1 : versionIn(key);
  }

  /** Contexts with records of an earlier life. */
  remains(limit: number): string[] {
    return [...this.db.remains.getKeys({ limit })].map(String);
  }

  /** Contexts whose ids begin with `prefix` and come after `after`, in the order of their ids. */
  *rows(prefix: string, after = ''): Generator<{ id: string; row: records.HeadRow }> {
    const first = Buffer.from(prefix);
    const past = Buffer.from(`${after}\0`);
    const start = Buffer.compare(first, past) > 0 ? first : past;
    for (const key of this.db.ids.getKeys({ start })) {
      if (Buffer.compare(key.subarray(0, first.length), first) !== 0) return;
      const id = key.toString();
      const row = this.find(id);
      if (row === null) throw lost(id);
      yield { id, row };
    }
  }

  /**
   * The answer of `Store.due`, and the entries with too low keys. The answer is only right where there are no such
   * entries: correct them and read again.
   */
  due(index: number, upTo: number, limit: number, after?: Due): { found: Due[]; early: Due[] } {
    const found: Due[] = [];
    const early: Due[] = [];
    if (upTo + offset(index) < 0) return { found, early };
    const start = after ? dueKey(index, after.key, `${after.id}\0`) : Buffer.from([index]);
    const end = Buffer.concat([dueKey(index, upTo, ''), Buffer.from([0xff])]);
    for (const bytes of this.db.due.getKeys({ start, end })) {
      if (found.length === limit || early.length === MAX_EARLY) break;
      const due = { id: bytes.toString('utf8', 9), key: bytes.readDoubleBE(1) - offset(index) };
      const row = this.find(due.id);
      if (row && keysOf(row)[index] === due.key) found.push(due);
      else early.push(due);
    }
    return { found, early };
  }

  /** Keys of the request-time index for requests older than `before`, oldest first. */
  requestTimes(before: number, limit: number): Buffer[] {
    return [...this.db.requestTimes.getKeys({ end: numberKey(before), limit })];
  }
}

function lost(id: string): ChordError {
  return new ChordError('DATA_LOSS', `the head of context "${id}" is missing; ${RUN_VERIFY}`);
}
