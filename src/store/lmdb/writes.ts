/**
 * The decisions and writes of a transaction: the body of each Job of group-commit.ts. All reads come before the first
 * write. The earlier writes of the same transaction are looked up in the turn.
 */
import { type Head, type Position, samePosition } from '../../model/model.js';
import { batchRefusal } from '../batch.js';
import { encodeHead, encodeMember, encodeRecord, encodeSnapshot, type HeadRow, type Place } from '../record-format.js';
import { entriesAfter, INDEXES, type IndexKeys, NOWHERE, renewedSince } from '../retention-index.js';
import type { BatchOperation, BatchOutcome, Commit, Due, Outcome, Removal, Request, Thinning } from '../store.js';
import type { CommitTurn } from './group-commit.js';
import { dueKey, headKey, idKey, logKey, memberKey, versionIn } from './keys.js';
import { keysOf, type LmdbReads } from './reads.js';
import { type Databases, FORMAT_KEY, formatOf, formatRecord, THINNED_FORMAT } from './schema.js';

/** The value of an index entry. */
export const NOTHING = Buffer.from([1]);
/** More records than this are removed in steps, after their context: thousands may expire in one transaction. */
export const RECORDS_AT_ONCE = 8;

export class LmdbWrites {
  constructor(
    readonly db: Databases,
    readonly reads: LmdbReads,
  ) {}

  commit(turn: CommitTurn, commit: Commit): Outcome {
    const before = this.#row(turn, commit.id);
    const refusal = this.#refusal(turn, commit, before);
    if (refusal !== null) return refusal;
    this.#write(turn, commit, before);
    return { kind: 'committed' };
  }

  remove(turn: CommitTurn, removal: Removal): Outcome {
    const before = this.#row(turn, removal.id);
    const refusal = this.#refusal(turn, removal, before);
    if (refusal !== null) return refusal;
    this.#drop(turn, removal, before, this.#logOf(removal.id, before));
    return { kind: 'committed' };
  }

  commitBatch(turn: CommitTurn, operations: readonly BatchOperation[]): BatchOutcome {
    const befores = operations.map(({ id }) => this.#row(turn, id));
    const refusals = operations.map((act, i) => this.#refusal(turn, act, befores[i] as HeadRow | null));
    const refusal = batchRefusal(operations, refusals);
    if (refusal !== null) return refusal;
    const logs = operations.map((act, i) => ('reason' in act ? this.#logOf(act.id, befores[i] as HeadRow | null) : []));
    for (const [i, act] of operations.entries()) {
      const before = befores[i] as HeadRow | null;
      if ('head' in act) this.#write(turn, act, before);
      if ('reason' in act) this.#drop(turn, act, before, logs[i] as Buffer[]);
    }
    return { kind: 'committed' };
  }

  trim(turn: CommitTurn, id: string, version: number, limit: number): number {
    const before = this.#row(turn, id);
    const covered = this.reads.snapshot(id)?.version ?? 0;
    const from = (before?.place?.trimmed ?? 0) + 1;
    const keys = this.reads.logKeys(id, from, Math.min(version, covered), limit);
    const last = keys.at(-1);
    if (before === null || last === undefined) return 0;

    // Merged records leave gaps: the oldest one that stays may be further ahead.
    const { version: headVersion } = before.head.position;
    const oldest = this.reads.nextRecord(id, versionIn(last) + 1, headVersion);
    const trimmed = oldest ? oldest.position.version - 1 : headVersion;
    for (const key of keys) void this.db.contexts.remove(key);
    const { generation, thinned = 0, entries = NOWHERE } = before.place ?? {};
    const gaps = trimmed - from + 1 - keys.length;
    const place = {
      ...{ trimmed, oldestAt: oldest?.at ?? Number.NaN, entries },
      ...(generation !== undefined && { generation }),
      ...(thinned > gaps && { thinned: thinned - gaps }),
    };
    this.#putRow(turn, id, before, kept({ head: before.head, place }));
    return keys.length;
  }

  thin(turn: CommitTurn, { id, merged, next, head }: Thinning): boolean {
    const before = this.#row(turn, id);
    if (!before?.place || before.head.position.epoch !== head.position.epoch) return false;
    const covered = this.reads.snapshot(id)?.version ?? 0;
    const stands = (position: Position): boolean => {
      const stored = position.version > before.place!.trimmed && this.reads.record(id, position.version);
      return stored !== null && stored !== false && samePosition(stored.position, position);
    };
    const replaced: Buffer[] = [];
    let done = 0;
    for (const record of merged) {
      const { version } = record.position;
      const { base } = record.merged;
      const fits = done <= base.version && base.version < version && version <= covered;
      if (!fits || !stands(base) || !stands(record.position)) return false;
      replaced.push(...this.reads.logKeys(id, base.version + 1, version - 1, version));
      done = version;
    }
    if (formatOf(this.db.env) < THINNED_FORMAT) void this.db.env.put(FORMAT_KEY, formatRecord(THINNED_FORMAT));
    for (const key of replaced) void this.db.contexts.remove(key);
    for (const record of merged) void this.db.contexts.put(logKey(id, record.position.version), encodeRecord(record));
    const thinned = (before.place.thinned ?? 0) + replaced.length;
    const seen = samePosition(before.head.position, head.position);
    const place = { ...before.place, thinned, next: seen ? next : Math.min(next, head.updatedAt) };
    this.#putRow(turn, id, before, kept({ head: before.head, place }));
    return true;
  }

  /** Drops requests made before a time, behind a row: at most `limit`, of some rows. The last row, if there are more. */
  forget(before: number, limit: number, after: Buffer | undefined): { count: number; last: Buffer | undefined } {
    const { found, count, last } = this.reads.requests.old(before, limit, after);
    this.reads.requests.drop(found);
    return { count, last };
  }

  /** The same for what earlier releases remembered: of the next `limit` requests after a key. */
  forgetFormer(before: number, limit: number, after: Buffer | undefined): { count: number; last: Buffer | undefined } {
    const { keys, last } = this.reads.oldRequests(before, limit, after);
    for (const key of keys) void this.db.requests.remove(key);
    return { count: keys.length, last };
  }

  /** The same for what the oldest releases remembered, by its index of times. */
  forgetOldest(before: number, limit: number): number {
    const keys = this.reads.requestTimes(before, limit);
    for (const key of keys) {
      void this.db.requestTimes.remove(key);
      void this.db.requests.remove(key.subarray(8));
    }
    return keys.length;
  }

  /** Removes records of earlier lives and members of earlier generations, at most `limit`. Answers whether there may be more. */
  sweep(turn: CommitTurn, limit: number): boolean {
    const ids = this.reads.remains(limit);
    let room = limit;
    let touched = false;
    for (const id of ids) {
      // What earlier writes of this transaction have left is not visible yet.
      if (turn.heads.has(id)) {
        touched = true;
        continue;
      }
      const row = this.#found(turn, id);
      const [trimmed, last] = row ? [row.place?.trimmed ?? 0, row.head.position.version] : [0, 0];
      const before = this.reads.logKeys(id, 0, trimmed, room);
      const behind = this.reads.logKeys(id, last + 1, Number.MAX_SAFE_INTEGER, room);
      const keys = [...before, ...behind].slice(0, room);
      for (const key of keys) void this.db.contexts.remove(key);
      room -= keys.length;
      if (room === 0) return true;
      const members = this.reads.formerMemberKeys(id, row?.place?.generation, room);
      for (const key of members) void this.db.members.remove(key);
      room -= members.length;
      if (room === 0) return true;
      void this.db.remains.remove(idKey(id));
    }
    return touched || ids.length === limit;
  }

  /** Moves entries of an index to the true keys of their contexts. */
  correct(turn: CommitTurn, index: number, entries: readonly Due[]): void {
    for (const { id, key } of entries) {
      const before = this.#found(turn, id);
      const place = before?.place;
      if (before && place?.entries[index] === key) {
        const entries = place.entries.with(index, keysOf(before)[index] as number);
        this.#putRow(turn, id, before, { head: before.head, place: { ...place, entries } });
      } else {
        void this.db.due.remove(dueKey(index, key, id)); // moved or removed since it was looked up
      }
    }
  }

  /** Writes the rows of the whole transaction: one for many writes to one context, and one for all requests. */
  putRows(turn: CommitTurn): void {
    if (turn.requests.size > 0) this.reads.requests.put(turn.requests);
    for (const [id, row] of turn.heads) if (row !== null) void this.db.contexts.put(headKey(id), encodeHead(row));
  }

  #row(turn: CommitTurn, id: string): HeadRow | null {
    const written = turn.heads.get(id);
    return written === undefined ? this.reads.row(id) : written;
  }

  /** For upkeep, which one lost head must not stop. */
  #found(turn: CommitTurn, id: string): HeadRow | null {
    const written = turn.heads.get(id);
    return written === undefined ? this.reads.find(id) : written;
  }

  /** Why a write may not happen; null where it may. A repeat is recognised before its position is looked at. */
  #refusal(turn: CommitTurn, act: BatchOperation, before: HeadRow | null): Outcome | null {
    const { id, expected } = act;
    const request = 'request' in act ? act.request : undefined;
    if (request !== undefined) {
      const first = turn.requests.get(`${id}\0${request.id}`) ?? this.reads.request(id, request.id, request.formerId);
      if (first !== null) return { kind: 'duplicate', first };
    }
    const head = before?.head ?? null;
    const stands = head === null || expected === null ? head === expected : samePosition(head.position, expected);
    const renewed =
      before !== null &&
      (('reason' in act && renewedSince(before.head, act)) || ('head' in act && this.#isOutdated(turn, act, before)));
    return stands && !renewed ? null : { kind: 'conflict', head };
  }

  /** Whether members that expire changed since, or were renewed, which the commit does not know of. */
  #isOutdated(turn: CommitTurn, { id, stamp, members }: Commit, { head, place }: HeadRow): boolean {
    if (head.members?.stamp !== stamp) return true;
    const generation = place?.generation;
    if (generation === undefined || members === undefined) return false;
    return members.ended.some(({ number, at }) => {
      return at !== undefined && this.#memberTime(turn, id, generation, number) > at;
    });
  }

  #memberTime(turn: CommitTurn, id: string, generation: number, number: number): number {
    return turn.members.get(memberName(id, generation, number)) ?? this.reads.memberTime(id, generation, number);
  }

  #write(turn: CommitTurn, commit: Commit, before: HeadRow | null): void {
    const { id, head, payload, snapshot, request, cause, provenance } = commit;
    const { version } = head.position;
    if (before === null) void this.db.ids.put(idKey(id), NOTHING);
    if (payload !== undefined) {
      const { changes, olds } = payload;
      const record = { position: head.position, at: head.updatedAt, changes, olds, cause, provenance };
      void this.db.contexts.put(logKey(id, version), encodeRecord(record));
    }
    if (snapshot !== undefined) {
      void this.db.snapshots.put(idKey(id), encodeSnapshot({ version, bytes: snapshot }));
    }
    const row = placed(before, head, payload !== undefined);
    if (before?.head.members || head.members) this.#writeMembers(turn, commit, before, row.place.generation);
    this.#putRow(turn, id, before, row);
    this.#remember(turn, id, request);
  }

  /** `generation`: absent where no member expires any more. */
  #writeMembers(turn: CommitTurn, { id, head, members }: Commit, before: HeadRow | null, generation?: number): void {
    if (generation === undefined) {
      void this.db.remains.put(idKey(id), NOTHING);
      return;
    }
    for (const { number } of members?.ended ?? []) {
      void this.db.members.remove(memberKey(id, generation, number));
      turn.members.set(memberName(id, generation, number), 0);
    }
    const renewal = before?.head.members?.stamp === head.members?.stamp;
    for (const member of members?.set ?? []) {
      const { number, at } = member;
      if (renewal && this.#memberTime(turn, id, generation, number) > at) continue;
      void this.db.members.put(memberKey(id, generation, number), Buffer.from(encodeMember(member)));
      turn.members.set(memberName(id, generation, number), at);
    }
  }

  /** Removes a context, which is at once invisible to all readers; the removal of many records is only noted. */
  #drop(turn: CommitTurn, { id, request }: Removal, before: HeadRow | null, log: readonly Buffer[]): void {
    if (log.length > RECORDS_AT_ONCE || before?.head.members) void this.db.remains.put(idKey(id), NOTHING);
    else for (const key of log) void this.db.contexts.remove(key);
    if (before !== null) {
      void this.db.snapshots.remove(idKey(id));
      void this.db.contexts.remove(headKey(id));
      void this.db.ids.remove(idKey(id));
      this.#enter(id, before.place?.entries ?? NOWHERE, NOWHERE);
      turn.heads.set(id, null);
    }
    this.#remember(turn, id, request);
  }

  /** The log keys of the life that ends: no more than needed to see whether there are many. */
  #logOf(id: string, before: HeadRow | null): Buffer[] {
    if (before === null) return [];
    return this.reads.logKeys(id, (before.place?.trimmed ?? 0) + 1, before.head.position.version, RECORDS_AT_ONCE + 1);
  }

  #putRow(turn: CommitTurn, id: string, before: HeadRow | null, row: HeadRow): void {
    turn.heads.set(id, row);
    this.#enter(id, before?.place?.entries ?? NOWHERE, row.place?.entries ?? NOWHERE);
  }

  /** Updates the indexes: a context has an entry exactly where its row says so. */
  #enter(id: string, before: IndexKeys, entries: IndexKeys): void {
    if (entries === before) return;
    for (let index = 0; index < INDEXES.length; index++) {
      const [from, to] = [before[index] as number, entries[index] as number];
      if (Object.is(from, to)) continue;
      if (!Number.isNaN(from)) void this.db.due.remove(dueKey(index, from, id));
      if (!Number.isNaN(to)) void this.db.due.put(dueKey(index, to, id), NOTHING);
    }
  }

  /** The transaction is durable. */
  confirm(turn: CommitTurn): void {
    if (turn.requests.size > 0) this.reads.requests.confirm(turn.requests);
  }

  #remember(turn: CommitTurn, id: string, request: Request | undefined): void {
    if (request !== undefined) turn.requests.set(`${id}\0${request.id}`, request);
  }
}

/** The row after a commit. */
function placed(before: HeadRow | null, head: Head, writes: boolean): PlacedRow {
  const { version } = head.position;
  const begun: Place = { trimmed: writes ? version - 1 : version, oldestAt: Number.NaN, entries: NOWHERE };
  const { trimmed, oldestAt, entries, generation, thinned, next } = before?.place ?? begun;
  const first = writes && Number.isNaN(oldestAt);
  const place: { -readonly [K in keyof Place]: Place[K] } = {
    trimmed,
    oldestAt: first ? head.updatedAt : oldestAt,
    entries,
  };
  if (thinned !== undefined) place.thinned = thinned;
  if (next !== undefined) place.next = writes ? Math.min(next, head.updatedAt) : next;
  if (!head.members) return kept({ head, place });
  return kept({ head, place: { ...place, generation: generation ?? head.members.stamp } });
}

type PlacedRow = HeadRow & { readonly place: Place };

/** The name of a member among the writes of a transaction. */
function memberName(id: string, generation: number, number: number): string {
  return `${id}\0${generation}:${number}`;
}

/** The row with the keys of its index entries. */
function kept(row: PlacedRow): PlacedRow {
  return { head: row.head, place: { ...row.place, entries: entriesAfter(row.place.entries, keysOf(row)) } };
}
