/**
 * The store on LMDB: durable on one machine, for one process (lock.ts). Reads see the durable state only. Writes go
 * through group-commit.ts, where each write is decided and written in one step; schema.ts has the layout. Measured: a
 * small put of the head with each commit costs less than finding the head as the log's last record.
 */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import { INDEXES } from '../retention-index.js';
import type {
  Backup,
  BatchOperation,
  BatchOutcome,
  Commit,
  Due,
  History,
  Index,
  ListPage,
  LogRecord,
  Member,
  Outcome,
  Removal,
  Request,
  Store,
  Stored,
  StoreHealth,
  StoreWork,
  Thinning,
} from '../store.js';
import { Backups } from './backup.js';
import { createDirectory, restrictFiles, syncNames } from './directory.js';
import { type FreeBytes, freeBytesOf, SpaceWatch } from './disk-space.js';
import { type DiskFailure, unreadable } from './errors.js';
import { type CommitTurn, GroupCommit, type Job } from './group-commit.js';
import { lockDirectory } from './lock.js';
import { LmdbReads } from './reads.js';
import { type Databases, openDatabases } from './schema.js';
import { LmdbWrites } from './writes.js';

export interface LmdbOptions {
  /** Created where it does not exist. */
  readonly directory: string;
  /** Below this much free space on its disk the store is read-only, but for removals, down to a half. Default: 256 MiB. */
  readonly minFreeBytes?: number;
  /** Address space to reserve, in bytes. Default: grows with the data. */
  readonly mapSize?: number;
  /** Measures the free space. Default: a call to the file system. */
  readonly freeBytes?: FreeBytes;
}

/** The approximate disk space of one write beside its own bytes: the pages on the path to it. */
const PAGES_BYTES = 16 * 1024;
/** Deletions in one transaction, where they may be split over several. */
const AT_ONCE = 500;

/** Throws FAILED_PRECONDITION (in use, not writable, not Chord's, newer) or DATA_LOSS (damaged). */
export async function openLmdb(options: LmdbOptions): Promise<Store> {
  const { directory, minFreeBytes = 256 * 1024 * 1024 } = options;
  const created = await createDirectory(directory);
  const unlock = await lockDirectory(directory);
  try {
    const databases = await openDatabases({ directory, mapSize: options.mapSize });
    await restrictFiles(directory);
    await syncNames(directory, created);
    const listeners: ((health: StoreHealth) => void)[] = [];
    const freeBytes = options.freeBytes ?? (() => freeBytesOf(directory));
    const space = await SpaceWatch.start(freeBytes, minFreeBytes, () => {
      for (const listener of listeners) listener(space.health());
    });
    return new LmdbStore(databases, space, listeners, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

class LmdbStore implements Store {
  readonly #db: Databases;
  readonly #reads: LmdbReads;
  readonly #writes: LmdbWrites;
  readonly #writer: GroupCommit;
  readonly #backups: Backups;
  readonly #space: SpaceWatch;
  readonly #listeners: ((health: StoreHealth) => void)[];
  readonly #unlock: () => void;
  #sweeping = false;
  /** The last row of requests that was looked at, in a pass that is not at its end; and the same for earlier releases'. */
  #forgotTo: Buffer | undefined;
  #formerTo: Buffer | undefined;
  #closed = false;
  #failure: DiskFailure | undefined;
  #closing: Promise<void> | null = null;

  constructor(db: Databases, space: SpaceWatch, listeners: ((health: StoreHealth) => void)[], unlock: () => void) {
    this.#db = db;
    this.#reads = new LmdbReads(db);
    this.#writes = new LmdbWrites(db, this.#reads);
    this.#writer = new GroupCommit(
      db.env,
      space,
      (turn) => this.#writes.putRows(turn),
      (turn) => this.#writes.confirm(turn),
      (failure) => {
        this.#failure = failure;
        for (const listener of this.#listeners) listener(this.health());
      },
    );
    this.#backups = new Backups(db);
    this.#space = space;
    this.#listeners = listeners;
    this.#unlock = unlock;
    listeners.push(() => this.#sweepRemains());
    this.#sweepRemains();
  }

  async load(id: string): Promise<Stored | null> {
    return this.#read(() => this.#load(id));
  }

  #load(id: string): Stored | null {
    const row = this.#reads.row(id);
    if (row === null) return null;
    const { head } = row;
    const members = head.members && { members: this.#reads.members(id, row) };
    const snapshot = this.#reads.snapshot(id);
    const records: LogRecord[] = [];
    for (let version = (snapshot?.version ?? 0) + 1; version <= head.position.version; version++) {
      const record = this.#reads.record(id, version);
      if (record === null) throw new ChordError('DATA_LOSS', `version ${version} of context "${id}" is missing`);
      records.push(record);
    }
    return { head, records, ...(snapshot && { snapshot }), ...members };
  }

  async head(id: string): Promise<Head | null> {
    return this.#read(() => this.#reads.row(id)?.head ?? null);
  }

  commit(commit: Commit): Promise<Outcome> {
    const written = this.#write({
      id: commit.id,
      scans: false,
      frees: commit.cause === 'expired',
      bytes: sizeOf(commit),
      run: (turn) => this.#writes.commit(turn, commit),
    });
    return endsMembers(commit) ? written.finally(() => this.#sweepRemains()) : written;
  }

  async remove(removal: Removal): Promise<Outcome> {
    const { id, request } = removal;
    return this.#write({
      id,
      scans: true,
      frees: true,
      bytes: size(request?.result),
      run: (turn) => this.#writes.remove(turn, removal),
    }).finally(() => this.#sweepRemains());
  }

  commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    const [id = '', ...others] = operations.map((act) => act.id);
    const removes = operations.some((act) => 'reason' in act);
    const leaves = removes || operations.some((act) => 'head' in act && endsMembers(act));
    return this.#write({
      id,
      others,
      scans: removes,
      frees: operations.every((act) => 'reason' in act),
      bytes: operations.reduce((sum, act) => sum + ('head' in act ? sizeOf(act) : size()), 0),
      run: (turn) => this.#writes.commitBatch(turn, operations),
    }).finally(() => leaves && this.#sweepRemains());
  }

  /** Removes remains in steps, beside other work. Where the store closes or the disk is full, the rest is removed later. */
  #sweepRemains(): void {
    if (this.#sweeping || this.#closed || this.#failure || this.#reads.remains(1).length === 0) return;
    this.#sweeping = true;
    const run = (turn: CommitTurn) => this.#writes.sweep(turn, AT_ONCE);
    const sweep = async () => {
      while (await this.#write({ id: '', scans: false, frees: true, bytes: size(), run }));
    };
    sweep().then(
      () => {
        this.#sweeping = false;
        this.#sweepRemains(); // for contexts that were removed meanwhile
      },
      () => {
        this.#sweeping = false;
      },
    );
  }

  async recall(id: string, requestId: string, formerId?: string): Promise<Request | null> {
    return this.#read(() => this.#reads.request(id, requestId, formerId));
  }

  async members(id: string): Promise<readonly Member[]> {
    return this.#read(() => {
      const row = this.#reads.row(id);
      return row ? this.#reads.members(id, row) : [];
    });
  }

  async deltas(id: string, after: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): Promise<History> {
    return this.#read(() => this.#deltas(id, after, limit, maxBytes));
  }

  #deltas(id: string, after: number, limit: number, maxBytes: number): History {
    const row = this.#reads.row(id);
    if (row === null) return { kind: 'truncated', oldest: 1 };
    const { head, place } = row;
    // Earlier records belong to an earlier life.
    if (after < (place?.trimmed ?? 0)) return { kind: 'truncated', oldest: this.#reads.oldest(id, row) };

    const records: LogRecord[] = [];
    let bytes = 0;
    const last = head.position.version;
    for (let version = after; version < last && records.length < limit; ) {
      // What follows may be a merged record, which is further ahead.
      const record = this.#reads.record(id, version + 1) ?? this.#reads.nextRecord(id, version + 2, last);
      if (record === null || (record.merged?.base.version ?? record.position.version - 1) > version)
        return { kind: 'truncated', oldest: this.#reads.oldest(id, row) };
      bytes += record.changes.length + record.olds.length;
      if (bytes > maxBytes && records.length > 0) break;
      records.push(record);
      version = record.position.version;
    }
    return { kind: 'records', records };
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    return this.#read(() => this.#list(prefix, after, limit));
  }

  #list(prefix: string, after: string | undefined, limit: number): ListPage {
    const heads: { id: string; head: Head }[] = [];
    for (const { id, row } of this.#reads.rows(prefix, after)) {
      if (heads.length === limit) return { heads, next: heads[limit - 1]!.id };
      heads.push({ id, head: row.head });
    }
    return { heads };
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    const which = INDEXES.indexOf(index);
    for (;;) {
      const { found, early } = this.#read(() => this.#reads.due(which, upTo, limit, after));
      if (early.length === 0 || this.#space.health().readOnly) return found;
      const run = (turn: CommitTurn) => this.#writes.correct(turn, which, early);
      await this.#write({ id: '', scans: false, bytes: size(), run });
    }
  }

  async trim(id: string, version: number): Promise<number> {
    const job = {
      id,
      scans: true,
      frees: true,
      bytes: size(),
      run: (turn: CommitTurn) => this.#writes.trim(turn, id, version, AT_ONCE),
    };
    let count = 0;
    for (;;) {
      const some = await this.#write(job);
      count += some;
      if (some < AT_ONCE) return count;
    }
  }

  thin(thinning: Thinning): Promise<boolean> {
    return this.#write({
      id: thinning.id,
      scans: true,
      frees: true,
      bytes: size(...thinning.merged.flatMap(({ changes, olds }) => [changes, olds])),
      run: (turn) => this.#writes.thin(turn, thinning),
    });
  }

  async forget(before: number, limit: number): Promise<number> {
    let count = this.#reads.former ? await this.#forgetFormer(before, limit) : 0;
    // Where the limit is reached, the next call goes on there.
    while (count < limit) {
      const most = Math.min(AT_ONCE, limit - count);
      const some = await this.#write(upkeep(() => this.#writes.forget(before, most, this.#forgotTo)));
      count += some.count;
      this.#forgotTo = some.last;
      if (some.last) continue;
      this.#reads.requests.dropped();
      break;
    }
    return count;
  }

  /** The same for what earlier releases remembered. */
  async #forgetFormer(before: number, limit: number): Promise<number> {
    let count = 0;
    while (count < limit) {
      const most = Math.min(AT_ONCE, limit - count);
      const some = await this.#write(upkeep(() => this.#writes.forgetOldest(before, most)));
      count += some;
      if (some < most) break;
    }
    while (count < limit) {
      const most = Math.min(AT_ONCE, limit - count);
      const some = await this.#write(upkeep(() => this.#writes.forgetFormer(before, most, this.#formerTo)));
      count += some.count;
      this.#formerTo = some.last;
      if (!some.last) break;
    }
    this.#reads.lookForFormer();
    return count;
  }

  get work(): StoreWork {
    return this.#writer;
  }

  backup(): Backup {
    return this.#read(() => this.#backups.begin());
  }

  health(): StoreHealth {
    if (this.#closed) return { serving: false, readOnly: false, detail: 'the store is closed' };
    if (this.#failure) return { serving: false, readOnly: false, failed: true, detail: this.#failure.message };
    return this.#space.health();
  }

  onHealth(listener: (health: StoreHealth) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    for (const listener of this.#listeners) listener(this.health());
    await this.#writer.idle();
    this.#space.stop();
    this.#backups.close();
    await this.#db.env.close();
    this.#unlock();
  }

  #read<T>(look: () => T): T {
    this.#checkOpen();
    try {
      return look();
    } catch (error) {
      throw unreadable(error);
    }
  }

  #write<T>(job: Job<T>): Promise<T> {
    try {
      this.#checkOpen();
      this.#space.check(job.frees === true);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#writer.write(job);
  }

  #checkOpen(): void {
    if (this.#closed) throw new ChordError('UNAVAILABLE', 'the store is closed');
    if (this.#failure) throw this.#failure;
  }
}

/** Of no context: it reads ranges, and frees space. */
function upkeep<T>(run: (turn: CommitTurn) => T): Job<T> {
  return { id: '', scans: true, frees: true, bytes: size(), run };
}

function sizeOf({ payload, snapshot, request, members }: Commit): number {
  const bytes = size(payload?.changes, payload?.olds, snapshot, request?.result);
  return members ? members.set.reduce((sum, { path }) => sum + path.length, bytes) : bytes;
}

/** Whether no member expires any more. */
function endsMembers({ stamp, head }: Commit): boolean {
  return stamp !== undefined && !head.members;
}

function size(...parts: readonly (Uint8Array | undefined)[]): number {
  return parts.reduce((sum, part) => sum + (part?.length ?? 0), PAGES_BYTES);
}
