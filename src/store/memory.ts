/**
 * The store in this process's memory: gone when it ends. Also the executable specification of the contract: where an
 * engine differs from this one, the engine is wrong. So it is naive: it keeps no index, and finds what is listed or due by
 * looking at all contexts. It shares no code with the engines that it judges, but for the types.
 */
import { ChordError } from '../model/errors.js';
import { type Head, samePosition, usedAt } from '../model/model.js';
import type {
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
  Snapshot,
  Store,
  Stored,
  StoreHealth,
  Thinning,
} from './store.js';

interface Context {
  head: Head;
  snapshot?: Snapshot;
  /** Contiguous up to the head, or empty; the records may begin long before the snapshot. Up to it, some may be merged. */
  records: LogRecord[];
  /** What the last `thin` has set. */
  next?: number | undefined;
  /** By number. */
  members: Map<number, Member>;
}

/** So many contexts are looked at in one turn of the event loop. */
const LOOK_AT_ONCE = 10_000;

export function openMemory(): Store {
  return new MemoryStore();
}

class MemoryStore implements Store {
  readonly #contexts = new Map<string, Context>();
  /** By context id, then by request id. Outlives the context. */
  readonly #requests = new Map<string, Map<string, Request>>();
  /** All ids in order; sorted again when a context has come or gone. */
  #ids: readonly string[] | undefined;
  readonly #listeners: ((health: StoreHealth) => void)[] = [];
  #closed = false;

  async load(id: string): Promise<Stored | null> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context === undefined) return null;
    const { head, snapshot, records } = context;
    const members = head.members && { members: inOrder(context) };
    if (snapshot === undefined) return { head, records: [...records], ...members };
    return { head, snapshot, records: records.slice(countUpTo(records, snapshot.version)), ...members };
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
    const heads = new Map<string, Head | null>();
    for (const operation of operations) {
      const refusal = this.#refusal(operation);
      if (refusal?.kind === 'duplicate') return refusal;
      if (refusal?.kind === 'conflict') heads.set(operation.id, refusal.head);
    }
    if (heads.size > 0) return { kind: 'conflict', heads };
    for (const operation of operations) this.#carryOut(operation);
    return { kind: 'committed' };
  }

  async recall(id: string, requestId: string): Promise<Request | null> {
    this.#checkOpen();
    return this.#requests.get(id)?.get(requestId) ?? null;
  }

  async members(id: string): Promise<readonly Member[]> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    return context ? inOrder(context) : [];
  }

  async deltas(id: string, after: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): Promise<History> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context === undefined) return { kind: 'truncated', oldest: 1 };
    const oldest = context.records[0]?.position.version ?? context.head.position.version + 1;
    if (after < oldest - 1) return { kind: 'truncated', oldest };

    const records: LogRecord[] = [];
    let bytes = 0;
    for (const record of context.records.slice(countUpTo(context.records, after)).slice(0, limit)) {
      bytes += record.changes.length + record.olds.length;
      if (bytes > maxBytes && records.length > 0) break;
      records.push(record);
    }
    return { kind: 'records', records };
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    this.#checkOpen();
    this.#ids ??= [...this.#contexts.keys()].sort(byUtf8);
    const ids = this.#ids.filter((id) => id.startsWith(prefix) && (after === undefined || byUtf8(id, after) > 0));
    const heads = ids.slice(0, limit).map((id) => ({ id, head: this.#contexts.get(id)!.head }));
    return ids.length > limit ? { heads, next: ids[limit - 1]! } : { heads };
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    this.#checkOpen();
    let found: Due[] = [];
    let looked = 0;
    for (const id of [...this.#contexts.keys()]) {
      const context = this.#contexts.get(id); // none where it has gone since
      const key = context && keyOf(index, context);
      if (key !== undefined && key <= upTo && (!after || byKey({ id, key }, after) > 0)) found.push({ id, key });
      if (++looked % LOOK_AT_ONCE !== 0) continue;
      found = found.sort(byKey).slice(0, limit);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return found.sort(byKey).slice(0, limit);
  }

  async trim(id: string, version: number): Promise<number> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context?.snapshot === undefined) return 0;
    const count = countUpTo(context.records, Math.min(version, context.snapshot.version));
    context.records.splice(0, count);
    if (count > 0) context.next = undefined;
    return count;
  }

  async thin({ id, merged, next, head }: Thinning): Promise<boolean> {
    this.#checkOpen();
    const context = this.#contexts.get(id);
    if (context?.head.position.epoch !== head.position.epoch) return false;
    const records = [...context.records];
    for (const record of merged) {
      const covered = record.position.version <= (context.snapshot?.version ?? 0);
      const base = records.findIndex(({ position }) => samePosition(position, record.merged.base));
      const last = records.findIndex(({ position }) => samePosition(position, record.position));
      if (!covered || base < 0 || last <= base) return false;
      records.splice(base + 1, last - base, record);
    }
    context.records = records;
    context.next = samePosition(context.head.position, head.position) ? next : Math.min(next, head.updatedAt);
    return true;
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
  #refusal(operation: BatchOperation): Outcome | null {
    const { id, expected } = operation;
    const first = 'request' in operation && operation.request && this.#requests.get(id)?.get(operation.request.id);
    if (first) return { kind: 'duplicate', first };
    const context = this.#contexts.get(id);
    const head = context?.head ?? null;
    const stands = head === null || expected === null ? head === expected : samePosition(head.position, expected);
    const renewed =
      head !== null &&
      (('reason' in operation && wasRenewed(head, operation)) ||
        ('head' in operation && isOutdated(context!, operation)));
    return stands && !renewed ? null : { kind: 'conflict', head };
  }

  #carryOut(operation: BatchOperation): void {
    if ('head' in operation) this.#write(operation);
    if ('reason' in operation) this.#drop(operation);
  }

  #write({ id, head, payload, snapshot, request, cause, provenance, members }: Commit): void {
    let context = this.#contexts.get(id);
    if (!context) {
      context = { head, records: [], members: new Map() };
      this.#contexts.set(id, context);
      this.#ids = undefined;
    }
    const renewal = context.head.members?.stamp === head.members?.stamp;
    context.head = head;
    if (head.members === undefined) context.members.clear();
    for (const { number } of members?.ended ?? []) context.members.delete(number);
    for (const member of members?.set ?? []) {
      const later = renewal && (context.members.get(member.number)?.at ?? 0) > member.at;
      if (!later) context.members.set(member.number, member);
    }
    if (payload !== undefined) {
      const { position, updatedAt: at } = head;
      context.records.push({ position, at, ...payload, ...(cause && { cause }), ...(provenance && { provenance }) });
      if (context.next !== undefined) context.next = Math.min(context.next, at);
    }
    if (snapshot !== undefined) context.snapshot = { version: head.position.version, bytes: snapshot };
    this.#remember(id, request);
  }

  #drop({ id, request }: Removal): void {
    if (this.#contexts.delete(id)) this.#ids = undefined;
    this.#remember(id, request);
  }

  #remember(id: string, request: Request | undefined): void {
    if (request === undefined) return;
    const requests = this.#requests.get(id) ?? new Map<string, Request>();
    this.#requests.set(id, requests.set(request.id, request));
  }

  #checkOpen(): void {
    if (this.#closed) throw new ChordError('UNAVAILABLE', 'the store is closed');
  }
}

/** Where a context stands in an index; undefined where it does not. */
function keyOf(index: Index, { head, records, next }: Context): number | undefined {
  switch (index) {
    case 'expiry':
      return head.expiry?.at;
    case 'idle':
      return head.expiry ? undefined : usedAt(head);
    case 'age':
      return records[0] && (next ?? records[0].at);
    case 'length':
      return records.length > 1 ? -records.length : undefined;
    case 'members':
      return head.members?.due;
  }
}

/** The number of records up to a version. */
function countUpTo(records: readonly LogRecord[], version: number): number {
  const oldest = records[0]?.position.version ?? 0;
  let count = Math.min(records.length, Math.max(0, version + 1 - oldest));
  while (count > 0 && records[count - 1]!.position.version > version) count--;
  return count;
}

function inOrder({ members }: Context): Member[] {
  return [...members.values()].sort((a, b) => a.number - b.number);
}

/** Whether members changed since, or were renewed, which the commit does not know of. */
function isOutdated({ head, members }: Context, commit: Commit): boolean {
  if (head.members?.stamp !== commit.stamp) return true;
  return (
    commit.members?.ended.some(({ number, at }) => at !== undefined && (members.get(number)?.at ?? 0) > at) ?? false
  );
}

/** Whether the context was renewed or used since, which the removal does not know of. */
function wasRenewed(head: Head, { expiry, usedAt: used }: Removal): boolean {
  if (expiry !== undefined && head.expiry?.at !== expiry.at) return true;
  return used !== undefined && (head.expiry !== undefined || usedAt(head) > used);
}

function byKey(a: Due, b: Due): number {
  return a.key - b.key || byUtf8(a.id, b.id);
}

/** Orders strings as their UTF-8 bytes: as JavaScript does, but for surrogates, which belong above U+FFFF. */
function byUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
