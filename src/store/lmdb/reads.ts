/** Reads by the keys of the LMDB layout. All reads see the durable state only. */
import { ChordError } from '../../model/errors.js';
import * as records from '../record-format.js';
import { type IndexKeys, trueKeys } from '../retention-index.js';
import type { Due, LogRecord, Member, Request, Snapshot } from '../store.js';
import { RUN_VERIFY } from './errors.js';
import {
  dueKey,
  headKey,
  idKey,
  indexOffset,
  logKey,
  memberKey,
  numberKey,
  numbersIn,
  requestKey,
  versionIn,
} from './keys.js';
import { RequestLog } from './request-log.js';
import type { Databases } from './schema.js';

/** The number of index entries with too low keys that are collected before they are corrected. */
const MAX_EARLY = 1_000;

/** The index keys of a context. */
export function keysOf({ head, place }: records.HeadRow): IndexKeys {
  const { trimmed, thinned = 0, oldestAt, next = oldestAt } = place as records.Place;
  return trueKeys(head, head.position.version - trimmed - thinned, next);
}

export class LmdbReads {
  readonly requests: RequestLog;
  /** Whether there may be requests that an earlier release remembered. */
  former = true;

  constructor(readonly db: Databases) {
    this.requests = new RequestLog(db.requestLog);
    this.lookForFormer();
  }

  lookForFormer(): void {
    this.former = [this.db.requests, this.db.requestTimes].some((rows) => rows.getKeysCount({ limit: 1 }) > 0);
  }

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

  /** The first record of a version from `from` to `upTo`. */
  nextRecord(id: string, from: number, upTo: number): LogRecord | null {
    const [key] = this.logKeys(id, from, upTo, 1);
    return key === undefined ? null : this.record(id, versionIn(key));
  }

  snapshot(id: string): Snapshot | null {
    const bytes = this.db.snapshots.getBinary(idKey(id));
    return bytes === undefined ? null : records.decodeSnapshot(bytes, `the snapshot of context "${id}"`);
  }

  /** The members that expire, in the order of their numbers. */
  members(id: string, { place }: records.HeadRow): Member[] {
    if (place?.generation === undefined) return [];
    const [start, end] = [memberKey(id, place.generation, 0), memberKey(id, place.generation, Number.MAX_SAFE_INTEGER)];
    const members: Member[] = [];
    for (const { key, value } of this.db.members.getRange({ start, end })) {
      const { number } = numbersIn(key);
      members.push(records.decodeMember(value, number, records.memberOf(id, number)));
    }
    return members;
  }

  /** When a member expires; 0 where it is not stored or cannot be read. */
  memberTime(id: string, generation: number, number: number): number {
    const bytes = this.db.members.getBinary(memberKey(id, generation, number));
    return bytes === undefined ? 0 : Number.parseInt(bytes.toString('latin1', 0, 20), 10) || 0;
  }

  /** Keys of members of other generations than this one, at most `limit`. */
  formerMemberKeys(id: string, generation: number | undefined, limit: number): Buffer[] {
    const [start, end] = [Buffer.from(`${id}\0`), Buffer.from(`${id}\x01`)];
    if (generation === undefined) return [...this.db.members.getKeys({ start, end, limit })];
    const before = [...this.db.members.getKeys({ start, end: memberKey(id, generation, 0), limit })];
    const behind = { start: memberKey(id, generation, Number.MAX_SAFE_INTEGER), end, limit };
    return [...before, ...this.db.members.getKeys(behind)].slice(0, limit);
  }

  request(id: string, requestId: string, formerId?: string): Request | null {
    const found = this.requests.find(`${id}\0${requestId}`);
    if (found !== null || !this.former) return found;
    const what = `request "${requestId}" of context "${id}"`;
    const bytes = this.db.requests.getBinary(requestKey(id, requestId));
    if (bytes !== undefined) return records.decodeRequest(bytes, requestId, what);
    if (formerId === undefined) return null;
    const former = this.db.requests.getBinary(requestKey(id, formerId));
    // Nothing else: that record belongs to another caller, under a name that only looks like this id.
    return former && records.isFormerRequest(former) ? records.decodeRequest(former, formerId, what) : null;
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
    if (upTo + indexOffset(index) < 0) return { found, early };
    const start = after ? dueKey(index, after.key, `${after.id}\0`) : Buffer.from([index]);
    const end = Buffer.concat([dueKey(index, upTo, ''), Buffer.from([0xff])]);
    for (const bytes of this.db.due.getKeys({ start, end })) {
      if (found.length === limit || early.length === MAX_EARLY) break;
      const due = { id: bytes.toString('utf8', 9), key: bytes.readDoubleBE(1) - indexOffset(index) };
      const row = this.find(due.id);
      if (row && keysOf(row)[index] === due.key) found.push(due);
      else early.push(due);
    }
    return { found, early };
  }

  /** Keys of an earlier release's requests made before `before`, of the next `limit` after a key; and the last key that was looked at, if there are more. */
  oldRequests(before: number, limit: number, after: Buffer | undefined): { keys: Buffer[]; last: Buffer | undefined } {
    const keys: Buffer[] = [];
    let seen = 0;
    let last: Buffer | undefined;
    const from = after ? { start: after, exclusiveStart: true } : {};
    for (const { key, value } of this.db.requests.getRange({ ...from, limit })) {
      seen++;
      last = key;
      if (!records.isFormerRequest(value) && records.requestTime(value) < before) keys.push(key);
    }
    return { keys, last: seen === limit ? last : undefined };
  }

  /** IndexKeys of the request-time index for requests older than `before`, oldest first. */
  requestTimes(before: number, limit: number): Buffer[] {
    return [...this.db.requestTimes.getKeys({ end: numberKey(before), limit })];
  }
}

function lost(id: string): ChordError {
  return new ChordError('DATA_LOSS', `the head of context "${id}" is missing; ${RUN_VERIFY}`);
}
