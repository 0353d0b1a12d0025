/**
 * The store in the memory of this process, which is lost when the process ends. Also the executable specification of the
 * contract: where an engine differs from this store, the engine is wrong.
 */
import { ChordError } from '../model/errors.js';
import { type Head, samePosition } from '../model/model.js';
import { batchRefusal } from './batch.js';
import { entriesAfter, INDEXES, type IndexKeys, NOWHERE, renewedSince, trueKeys } from './retention-index.js';
import { byUtf8, SortedIndex } from './sorted-index.js';
import type {
  BatchOperation,
  BatchOutcome,
  Commit,
  Due,
  History,
  Index,
  ListPage,
  LogRecord,
  Outcome,
  Removal,
  Request,
  Snapshot,
  Store,
  Stored,
  StoreHealth,
} from './store.js';

interface Context {
  head: Head;
  snapshot?: Snapshot;
  /** Contiguous up to the head, or empty; the records may begin long before the snapshot. */
  records: LogRecord[];
  /** The keys of its index entries. */
  entries: IndexKeys;
}

export function openMemory(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly #contexts = new Map<string, Context>();
  /** By context id, then by request id. Outlives the context. */
  readonly #requests = new Map<string, Map<string, Request>>();
  readonly #indexes = INDEXES.map(() => new SortedIndex());
  /** All entries have key 0, so they are sorted by id. */
  readonly #ids = new SortedIndex();
  readonly #listeners: ((health: StoreHealth) => void)[] = [];
  #closed = false;

  async load(id: string): Promise<Stored | null> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context === undefined) return null;
    const { head, snapshot, records } = context;
    if (snapshot === undefined) return { head, records: [...records] };
    const oldest = records[0]?.position.version ?? 0;
    return { head, snapshot, records: records.slice(Math.max(0, snapshot.version + 1 - oldest)) };
  }

  async head(id: string): Promise<Head | null> {
    this.#checkOpen();
    return this.#contexts.get(id)?.head ?? null;
  }

  async commit(commit: Commit): Promise<Outcome> {
    this.#checkOpen();
    const refusal = this.#refusal(commit);
    if (refusal !== null) return refusal;
    this.#carryOut(commit);
    return { kind: 'committed' };
  }

  async remove(removal: Removal): Promise<Outcome> {
    this.#checkOpen();
    const refusal = this.#refusal(removal);
    if (refusal !== null) return refusal;
    this.#carryOut(removal);
    return { kind: 'committed' };
  }

  async commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    this.#checkOpen();
    const refusals = operations.map((act) => this.#refusal(act));
    const refusal = batchRefusal(operations, refusals);
    if (refusal !== null) return refusal;
    for (const act of operations) this.#carryOut(act);
    return { kind: 'committed' };
  }

  async recall(id: string, requestId: string): Promise<Request | null> {
    this.#checkOpen();
    return this.#requests.get(id)?.get(requestId) ?? null;
  }

  async deltas(id: string, after: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): Promise<History> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context === undefined) return { kind: 'truncated', oldest: 1 };
    const oldest = context.records[0]?.position.version ?? context.head.position.version + 1;
    if (after < oldest - 1) return { kind: 'truncated', oldest };

    const records: LogRecord[] = [];
    let bytes = 0;
    for (const record of context.records.slice(after + 1 - oldest).slice(0, limit)) {
      bytes += record.changes.length + record.olds.length;
      if (bytes > maxBytes && records.length > 0) break;
      records.push(record);
    }
    return { kind: 'records', records };
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    this.#checkOpen();
    const isLater = after !== undefined && byUtf8(after, prefix) >= 0;
    const first = !isLater && this.#contexts.has(prefix) ? [prefix] : [];
    const behind = this.#ids.range(0, limit + 1, { id: isLater ? after : prefix, key: 0 }).map(({ id }) => id);
    const ids = [...first, ...behind].filter((id) => id.startsWith(prefix));
    const heads = ids.slice(0, limit).map((id) => ({ id, head: this.#contexts.get(id)!.head }));
    return ids.length > limit ? { heads, next: ids[limit - 1]! } : { heads };
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    this.#checkOpen();
    const which = INDEXES.indexOf(index);
    const entries = this.#indexes[which] as SortedIndex;
    for (;;) {
      const found = entries.range(upTo, limit, after);
      const early = found.filter(({ id, key }) => keysOf(this.#contexts.get(id) as Context)[which] !== key);
      if (early.length === 0) return found;
      for (const { id } of early) {
        const context = this.#contexts.get(id) as Context;
        this.#enter(id, context, context.entries.with(which, keysOf(context)[which] as number));
      }
      // Moving very many entries takes a while: other work runs in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async trim(id: string, version: number): Promise<number> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context?.snapshot === undefined) return 0;
    const upTo = Math.min(version, context.snapshot.version);
    const oldest = context.records[0]?.position.version ?? upTo + 1;
    const count = Math.min(context.records.length, Math.max(0, upTo + 1 - oldest));
    context.records.splice(0, count);
    this.#enter(id, context, entriesAfter(context.entries, keysOf(context)));
    return count;
  }

  async forget(before: number, limit: number): Promise<number> {
    this.#checkOpen();
    let count = 0;
    for (const [id, requests] of this.#requests) {
      for (const [requestId, { at }] of requests) {
        if (at >= before) continue;
        if (count === limit) return count;
        requests.delete(requestId);
        count += 1;
      }
      if (requests.size === 0) this.#requests.delete(id);
    }
    return count;
  }

  health(): StoreHealth {
    return this.#closed
      ? { serving: false, readOnly: false, detail: 'the store is closed' }
      : { serving: true, readOnly: false };
  }

  onHealth(listener: (health: StoreHealth) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#listeners) listener(this.health());
  }

  /** Why a write must not happen; null where it may. A repeat is recognised before its position is compared. */
  #refusal(act: BatchOperation): Outcome | null {
    const { id, expected } = act;
    const first = 'request' in act && act.request && this.#requests.get(id)?.get(act.request.id);
    if (first) return { kind: 'duplicate', first };
    const head = this.#contexts.get(id)?.head ?? null;
    const stands = head === null || expected === null ? head === expected : samePosition(head.position, expected);
    const renewed = head !== null && 'reason' in act && renewedSince(head, act);
    return stands && !renewed ? null : { kind: 'conflict', head };
  }

  #carryOut(act: BatchOperation): void {
    if ('head' in act) this.#write(act);
    if ('reason' in act) this.#drop(act);
  }

  #write({ id, head, payload, snapshot, request }: Commit): void {
    let context = this.#contexts.get(id);
    if (!context) {
      context = { head, records: [], entries: NOWHERE };
      this.#contexts.set(id, context);
      this.#ids.add({ id, key: 0 });
    }
    context.head = head;
    if (payload !== undefined) context.records.push({ position: head.position, at: head.updatedAt, ...payload });
    if (snapshot !== undefined) context.snapshot = { version: head.position.version, bytes: snapshot };
    this.#enter(id, context, entriesAfter(context.entries, keysOf(context)));
    this.#remember(id, request);
  }

  #drop({ id, request }: Removal): void {
    const context = this.#contexts.get(id);
    if (context) {
      this.#enter(id, context, NOWHERE);
      this.#contexts.delete(id);
      this.#ids.remove({ id, key: 0 });
    }
    this.#remember(id, request);
  }

  #remember(id: string, request: Request | undefined): void {
    if (request === undefined) return;
    const requests = this.#requests.get(id) ?? new Map<string, Request>();
    this.#requests.set(id, requests.set(request.id, request));
  }

  /** Moves the index entries of a context. */
  #enter(id: string, context: Context, entries: IndexKeys): void {
    this.#indexes.forEach((index, which) => {
      const [from, to] = [context.entries[which] as number, entries[which] as number];
      if (Object.is(from, to)) return;
      if (!Number.isNaN(from)) index.remove({ id, key: from });
      if (!Number.isNaN(to)) index.add({ id, key: to });
    });
    context.entries = entries;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ChordError('UNAVAILABLE', 'the store is closed');
  }
}

function keysOf({ head, records }: Context): IndexKeys {
  return trueKeys(head, records.length, records[0]?.at ?? Number.NaN);
}
