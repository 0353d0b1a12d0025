/**
 * Reads a whole data directory, and reports inconsistencies. It changes nothing and trusts no page (see
 * src/store/lmdb/fsck/pages.ts). Memory use does not grow with the number of contexts.
 */
import { recall } from '../contexts/writes/idempotency.js';
import { ChordError } from '../model/errors.js';
import { Contents, type Entry, requireData } from '../store/lmdb/fsck/contents.js';
import { dueKey, headKey, numberKey, numbersIn, requestTimeKey, versionIn } from '../store/lmdb/keys.js';
import { lockDirectory } from '../store/lmdb/lock.js';
import { keysOf } from '../store/lmdb/reads.js';
import { decode, requestsIn } from '../store/lmdb/request-log.js';
import { NAMES } from '../store/lmdb/schema.js';
import { NOTHING } from '../store/lmdb/writes.js';
import { decodeHead, decodeMember, decodeRequest, type HeadRow, isFormerRequest } from '../store/record-format.js';
import { INDEXES } from '../store/retention-index.js';
import type { Request } from '../store/store.js';
import { checkContext, type Tell } from './stored-context.js';

export interface Damage {
  /** The context of the fault, if the fault belongs to one. */
  readonly contextId?: string;
  readonly version?: number;
  readonly what: string;
}

/** Counts of what was read. */
export interface Verified {
  contexts: number;
  deltas: number;
  snapshots: number;
  requests: number;
  /** Size of the data file. */
  bytes: number;
  /** Number of reported faults. */
  damages: number;
}

export interface Listener {
  onDamage(damage: Damage): void;
  /** Called now and then with the records read so far and their total. */
  onProgress?(done: number, total: number): void | Promise<void>;
}

const DATABASES = Object.keys(NAMES) as (keyof typeof NAMES)[];
/** Records between two calls of onProgress. */
const PROGRESS_RECORDS = 5_000;
/** The most time between them, in milliseconds, but for a single record. */
const PROGRESS_MS = 200;

/**
 * Throws FAILED_PRECONDITION for a directory that is in use or holds no data of Chord; DATA_LOSS where the header of
 * its data file is damaged, so that nothing can be read.
 */
export async function verify(directory: string, listener: Listener): Promise<Verified> {
  requireData(directory);
  const unlock = await lockUnlessReadOnly(directory);
  try {
    const verifier = new Verifier(directory, listener);
    try {
      return await verifier.run();
    } finally {
      verifier.close();
    }
  } finally {
    unlock();
  }
}

/** On a read-only file system no process writes, and locking is impossible. */
async function lockUnlessReadOnly(directory: string): Promise<() => void> {
  try {
    return await lockDirectory(directory);
  } catch (error) {
    if (error instanceof ChordError && (error.cause as NodeJS.ErrnoException)?.code === 'EROFS') return () => {};
    throw error;
  }
}

class Verifier {
  readonly #result: Verified = { contexts: 0, deltas: 0, snapshots: 0, requests: 0, bytes: 0, damages: 0 };
  readonly #contents: Contents;
  readonly #total: number;
  #done = 0;
  #told = 0;
  #toldAt = performance.now();
  /** Entries of the indexes that something belongs to. */
  #due = 0;
  #times = 0;

  constructor(
    directory: string,
    private readonly listener: Listener,
  ) {
    this.#contents = Contents.open(directory, ({ message }) => this.#tell({ what: message }));
    this.#result.bytes = this.#contents.bytes;
    this.#total = DATABASES.reduce((sum, each) => sum + this.#contents.count(each), 0);
  }

  close(): void {
    this.#contents.close();
  }

  async run(): Promise<Verified> {
    await this.#contexts();
    await this.#members();
    await this.#requests();
    await this.#formerRequests();
    await this.#index('due', this.#due, (key) => this.#belongsToHead(key));
    await this.#index('requestTimes', this.#times, (key) => this.#belongsToRequest(key));
    for (const { value } of this.#entries('remains')) value();
    this.#contents.checkFree();
    await this.#report(this.#total);
    return this.#result;
  }

  /** Ids, snapshots and records are sorted by id: the three are read in step. */
  async #contexts(): Promise<void> {
    const ids = new Ahead(this.#entries('ids'), ({ key }) => key);
    const snapshots = new Ahead(this.#entries('snapshots'), ({ key }) => key);
    const contexts = new Ahead(this.#entries('contexts', isOfContext), ({ key }) => key.subarray(0, key.indexOf(0)));
    for (;;) {
      const id = [ids.id, snapshots.id, contexts.id].reduce(smaller);
      if (!id) return;
      const contextId = id.toString();
      const tell: Tell = (what, version) => this.#tell({ contextId, ...(version !== undefined && { version }), what });
      const [listed] = ids.take(id);
      const [snapshot] = snapshots.take(id);
      // The head is stored behind the deltas, but is needed first.
      const key = headKey(contextId);
      const head = this.#contents.has('contexts', key) ? () => this.#contents.get('contexts', key)! : undefined;
      let row: HeadRow | undefined;
      const left = this.#contents.has('remains', id);
      const live = head && left ? readable(() => decodeHead(head(), 'the head')) : undefined;
      const records = this.#records(contexts, id, left && (live ?? !head) ? live : 'all');
      if (left && !head && !snapshot && !listed) for (const _ of records);
      else row = checkContext({ head, snapshot: snapshot?.value, records }, tell);
      if (head) this.#result.contexts++;
      if (snapshot) this.#result.snapshots++;
      if (head && !listed) tell('it is missing in the list of contexts');
      else if (listed && !head) tell('the list of contexts has it, and its head is missing');
      else if (listed && !listed.value().equals(NOTHING))
        tell('its entry in the list of contexts has an unexpected value');
      if (row) this.#checkPlace(contextId, row, tell);
      await this.#went();
    }
  }

  /**
   * Records of the present life of the context, without those that an earlier life left; undefined: no present life.
   */
  *#records(contexts: Ahead, id: Buffer, live: HeadRow | undefined | 'all') {
    const [trimmed, last] = live === 'all' ? [0, Number.POSITIVE_INFINITY] : rangeOf(live);
    for (const { key, value } of contexts.take(id)) {
      const version = isLogKey(key) ? versionIn(key) : 0;
      if (version <= trimmed || version > last) continue;
      this.#result.deltas++;
      yield { version, bytes: value };
    }
  }

  /** The context has entries in the indexes as its head says, at its key or before (src/store/retention-index.ts). */
  #checkPlace(id: string, row: HeadRow, tell: Tell): void {
    if (!row.place) return;
    const truth = keysOf(row);
    for (const [index, name] of INDEXES.entries()) {
      const [entry, key] = [row.place.entries[index] ?? Number.NaN, truth[index] as number];
      if (entry > key || Number.isNaN(entry) !== Number.isNaN(key)) tell(`its key in the index ${name} is wrong`);
      if (Number.isNaN(entry)) continue;
      if (this.#contents.has('due', dueKey(index, entry, id))) this.#due++;
      else tell(`it is not in the index ${name}, where its head says it is`);
    }
  }

  /** Members of the head's generation; those of former ones are removed in steps. Sorted by context. */
  async #members(): Promise<void> {
    let current: { readonly contextId: string; readonly row: HeadRow | undefined } | undefined;
    for (const { key, value } of this.#entries('members', isMemberKey)) {
      const contextId = key.toString('utf8', 0, key.length - 17);
      if (current?.contextId !== contextId) {
        const head = this.#contents.get('contexts', headKey(contextId));
        current = { contextId, row: (head && readable(() => decodeHead(head, 'the head'))) ?? undefined };
      }
      const { generation, number } = numbersIn(key);
      const tell = (what: string) => this.#tell({ contextId, what: `expiring member ${number} ${what}` });
      const { members, position } = current.row?.head ?? {};
      if (!members || current.row?.place?.generation !== generation) {
        if (!this.#contents.has('remains', Buffer.from(contextId))) tell('belongs to nothing');
      } else {
        const member = readable(() => decodeMember(value(), number, ''));
        if (!member || !isPath(member.path)) tell(`cannot be read, at version ${position?.version}`);
        else if (member.at < members.due) tell('expires before the time that the head says');
      }
      await this.#went();
    }
  }

  async #requests(): Promise<void> {
    for (const { value } of this.#entries('requestLog')) {
      try {
        for (const { name, bytes } of requestsIn(value())) {
          this.#result.requests++;
          this.#checkRequest(name.toString('utf8', 0, name.indexOf(0)), () => decode(name, bytes));
        }
      } catch (error) {
        this.#tell({ what: error instanceof Error ? error.message : String(error) });
      }
      await this.#went();
    }
  }

  #checkRequest(contextId: string, read: () => Request): Request | undefined {
    try {
      const request = read();
      recall(request, request.fingerprint);
      return request;
    } catch (error) {
      this.#tell({ contextId, what: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  }

  async #formerRequests(): Promise<void> {
    for (const { key, value } of this.#entries('requests')) {
      this.#result.requests++;
      const [contextId, requestId] = [key.toString('utf8', 0, key.indexOf(0)), requestIdOf(key)];
      const request = this.#checkRequest(contextId, () => decodeRequest(value(), requestId, `request "${requestId}"`));
      if (request && this.#contents.has('requestTimes', requestTimeKey(request.at, contextId, requestId)))
        this.#times++;
      else if (request && isFormerRequest(value()))
        this.#tell({ contextId, what: `request "${requestId}" is not in the index of times, and never forgotten` });
      await this.#went();
    }
  }

  /**
   * Reads an index; where it has more entries than belong to heads or requests, reports the entries that point to
   * nothing.
   */
  async #index(database: 'due' | 'requestTimes', belonging: number, belongs: (key: Buffer) => boolean): Promise<void> {
    let spare = this.#contents.count(database) - belonging;
    for (const { key, value } of this.#entries(database)) {
      await this.#went();
      const contextId = key.toString('utf8', database === 'due' ? 9 : 8).replace(/\0.*/s, '');
      const tell = (what: string) =>
        this.#tell({ contextId, what: `an entry of the index ${NAMES[database]} ${what}` });
      if (!value().equals(NOTHING)) tell('has an unexpected value');
      if (spare <= 0 || belongs(key)) continue;
      spare--;
      tell('points to nothing');
    }
  }

  #belongsToHead(key: Buffer): boolean {
    const [index, id] = [key[0] as number, key.toString('utf8', 9)];
    const bytes = this.#contents.get('contexts', headKey(id));
    const row = bytes && readable(() => decodeHead(bytes, 'the head'));
    const entry = row?.place?.entries[index];
    return row === undefined || (entry !== undefined && dueKey(index, entry, id).equals(key));
  }

  #belongsToRequest(key: Buffer): boolean {
    const bytes = this.#contents.get('requests', key.subarray(8));
    const request = bytes && readable(() => decodeRequest(bytes, requestIdOf(key.subarray(8)), 'the request'));
    return request === undefined || (request !== null && numberKey(request.at).equals(key.subarray(0, 8)));
  }

  *#entries(database: keyof typeof NAMES, fits: (key: Buffer) => boolean = () => true): Generator<Entry> {
    for (const entry of this.#contents.entries(database)) {
      this.#done++;
      if (fits(entry.key)) yield entry;
      else this.#tell({ what: `a key of ${NAMES[database]} is damaged: ${entry.key.toString('latin1')}` });
    }
  }

  #tell(damage: Damage): void {
    this.#result.damages++;
    this.listener.onDamage(damage);
  }

  async #went(): Promise<void> {
    if (this.#done < this.#told + PROGRESS_RECORDS && performance.now() < this.#toldAt + PROGRESS_MS) return;
    this.#told = this.#done;
    await this.#report(this.#done);
    this.#toldAt = performance.now();
  }

  /** All reading is synchronous: without a turn of the event loop no signal would arrive. */
  async #report(done: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.listener.onProgress?.(done, this.#total);
  }
}

/** Groups records by id, with one record of lookahead. */
class Ahead {
  #next: Entry | undefined;

  constructor(
    private readonly entries: Generator<Entry>,
    private readonly idOf: (entry: Entry) => Buffer,
  ) {
    this.#next = entries.next().value;
  }

  get id(): Buffer | undefined {
    return this.#next && this.idOf(this.#next);
  }

  *take(id: Buffer): Generator<Entry> {
    while (this.#next && this.idOf(this.#next).equals(id)) {
      const entry = this.#next;
      this.#next = this.entries.next().value;
      yield entry;
    }
  }
}

function rangeOf(row: HeadRow | undefined): readonly [trimmed: number, last: number] {
  return row ? [row.place?.trimmed ?? 0, row.head.position.version] : [0, 0];
}

/** Undefined where decoding fails: that fault has been reported. */
function readable<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function smaller(a: Buffer | undefined, b: Buffer | undefined): Buffer | undefined {
  return !a || (b && Buffer.compare(b, a) < 0) ? b : a;
}

/** The key of a delta or a head. */
function isOfContext(key: Buffer): boolean {
  return isLogKey(key) || (key.length > 2 && key.indexOf(0) === key.length - 2 && key.at(-1) === 0xff);
}

/** A key of id, NUL, version. */
function isLogKey(key: Buffer): boolean {
  const version = key.length > 9 && key.indexOf(0) === key.length - 9 ? versionIn(key) : 0;
  return Number.isSafeInteger(version) && version > 0;
}

/** A key of id, NUL, generation, number. */
function isMemberKey(key: Buffer): boolean {
  return key.length > 17 && key.indexOf(0) === key.length - 17;
}

/** A list of keys, as JSON. */
function isPath(text: string): boolean {
  const path = readable(() => JSON.parse(text) as unknown);
  return Array.isArray(path) && path.length > 0 && path.every((key) => typeof key === 'string');
}

/** The part of a request's key that comes after the context's id. */
function requestIdOf(key: Buffer): string {
  return key.toString('utf8', key.indexOf(0) + 1);
}
