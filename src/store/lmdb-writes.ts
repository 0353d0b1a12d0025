/**
 * What a transaction decides and writes: the body of each Job of lmdb-writer.ts. All reading comes before the
 * first write. What the same transaction wrote before is looked up in the turn.
 */
import { type Expiry, type Position, samePosition } from '../model.js';
import type { Databases } from './lmdb-open.js';
import { type Due, dueKey, idKey, logKey, type Reads, requestKey, requestTimeKey } from './lmdb-reads.js';
import type { Turn } from './lmdb-writer.js';
import { encodeHead, encodeRecord, encodeRequest, encodeSnapshot, type HeadRow } from './records.js';
import type { Commit, Outcome, Removal, Request } from './store.js';

const NOTHING = Buffer.from([1]);

export class Writes {
  constructor(
    readonly db: Databases,
    readonly reads: Reads,
  ) {}

  commit(turn: Turn, { id, expected, head, payload, snapshot, request }: Commit): Outcome {
    const before = this.#row(turn, id);
    const refusal = this.#refusal(turn, id, expected, before, request);
    if (refusal !== null) return refusal;

    const due = dueAfter(before?.due, head.expiry);
    const { version } = head.position;
    if (payload !== undefined) {
      const { changes, olds } = payload;
      const record = { position: head.position, at: head.updatedAt, changes, olds };
      void this.db.log.put(logKey(id, version), encodeRecord(record));
    }
    if (snapshot !== undefined) {
      void this.db.snapshots.put(idKey(id), encodeSnapshot({ version, bytes: snapshot }));
    }
    this.#putRow(turn, id, before, due === undefined ? { head } : { head, due });
    this.#remember(turn, id, request);
    return { kind: 'committed' };
  }

  remove(turn: Turn, { id, expected, request }: Removal): Outcome {
    const before = this.#row(turn, id);
    const refusal = this.#refusal(turn, id, expected, before, request);
    if (refusal !== null) return refusal;

    for (const key of this.reads.logKeys(id, Number.MAX_SAFE_INTEGER)) void this.db.log.remove(key);
    void this.db.snapshots.remove(idKey(id));
    void this.db.heads.remove(idKey(id));
    if (before?.due !== undefined) void this.db.due.remove(dueKey(before.due, id));
    turn.heads.set(id, null);
    this.#remember(turn, id, request);
    return { kind: 'committed' };
  }

  trim(id: string, version: number, limit: number): number {
    const covered = this.reads.snapshot(id)?.version ?? 0;
    const keys = this.reads.logKeys(id, Math.min(version, covered), limit);
    for (const key of keys) void this.db.log.remove(key);
    return keys.length;
  }

  forget(before: number, limit: number): number {
    const keys = this.reads.requestTimes(before, limit);
    for (const key of keys) {
      void this.db.requestTimes.remove(key);
      void this.db.requests.remove(key.subarray(8));
    }
    return keys.length;
  }

  /** Moves entries of the expiry index to where their contexts really expire. */
  correct(turn: Turn, entries: readonly Due[]): void {
    for (const { id, due } of entries) {
      const before = this.#row(turn, id);
      if (before?.due === due && before.head.expiry !== undefined) {
        this.#putRow(turn, id, before, { head: before.head, due: before.head.expiry.at });
      } else {
        void this.db.due.remove(dueKey(due, id)); // moved or gone since it was looked up
      }
    }
  }

  #row(turn: Turn, id: string): HeadRow | null {
    const written = turn.heads.get(id);
    return written === undefined ? this.reads.row(id) : written;
  }

  /** Why a write may not happen; null where it may. A repeat is recognised before its position is looked at. */
  #refusal(
    turn: Turn,
    id: string,
    expected: Position | null,
    before: HeadRow | null,
    request: Request | undefined,
  ): Outcome | null {
    if (request !== undefined) {
      const first = turn.requests.get(`${id}\0${request.id}`) ?? this.reads.request(id, request.id);
      if (first !== null) return { kind: 'duplicate', first };
    }
    const head = before?.head ?? null;
    const stands = head === null || expected === null ? head === expected : samePosition(head.position, expected);
    return stands ? null : { kind: 'conflict', head };
  }

  /** Keeps the expiry index in step: a context has one entry there exactly when its row has a due time. */
  #putRow(turn: Turn, id: string, before: HeadRow | null, row: HeadRow): void {
    void this.db.heads.put(idKey(id), encodeHead(row));
    turn.heads.set(id, row);
    if (row.due === before?.due) return;
    if (before?.due !== undefined) void this.db.due.remove(dueKey(before.due, id));
    if (row.due !== undefined) void this.db.due.put(dueKey(row.due, id), NOTHING);
  }

  #remember(turn: Turn, id: string, request: Request | undefined): void {
    if (request === undefined) return;
    turn.requests.set(`${id}\0${request.id}`, request);
    void this.db.requests.put(requestKey(id, request.id), encodeRequest(request));
    void this.db.requestTimes.put(requestTimeKey(request.at, id, request.id), NOTHING);
  }
}

/** A later expiry leaves the entry where it is, so that a renewal costs nothing more; `expired` moves it. */
function dueAfter(due: number | undefined, expiry: Expiry | undefined): number | undefined {
  if (expiry === undefined || due === undefined) return expiry?.at;
  return Math.min(due, expiry.at);
}
