/** Model-based test: random commands on an engine and on the memory engine, which is the specification: equal answers. */
import { isDeepStrictEqual } from 'node:util';
import { openMemory } from '../store/memory.js';
import type {
  BatchOperation,
  Commit,
  Due,
  Index,
  LogRecord,
  MemberChanges,
  MergedRecord,
  Store,
} from '../store/store.js';
import { commitOf, numbered, plain } from './commits.js';
import type { StoreLaw, StoreSubject } from './store-subject.js';

const IDS = ['a', 'ab', 'é', '\u{1f600}', '\uffff', 'a{t}', 'é{t}', '{t}'];

/** `expire`: an end that depends on the time. `clear`: all end at once. */
const MEMBER_CHANGES = ['none', 'none', 'none', 'set', 'set', 'renew', 'end', 'expire', 'clear'] as const;
const INDEXES = ['expiry', 'idle', 'age', 'length', 'members'] as const satisfies readonly Index[];

type Check = typeof import('fast-check');

/** `stale`: expects a wrong position. `pipelined`: the next command does not wait for this one. */
function commands(fc: Check) {
  const id = fc.constantFrom(...IDS);
  const few = fc.nat(12);
  const oneIn = (n: number) => fc.nat(n - 1).map((i) => i === 0);
  const members = fc.record({
    kind: fc.constantFrom(...MEMBER_CHANGES),
    number: fc.integer({ min: 1, max: 4 }),
    at: few,
    stale: oneIn(12),
  });
  return fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant('commit' as const),
        id,
        stale: oneIn(8),
        pipelined: fc.boolean(),
        payload: fc.boolean(),
        snapshot: oneIn(4),
        request: fc.option(few),
        expiry: fc.option(few),
        touched: oneIn(4),
        members,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('remove' as const),
        id,
        stale: oneIn(4),
        pipelined: fc.boolean(),
        request: fc.option(few),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('batch' as const),
        operations: fc.uniqueArray(
          fc.record({
            kind: fc.constantFrom('commit' as const, 'commit' as const, 'remove' as const, 'check' as const),
            id: fc.oneof(fc.constantFrom('a{t}', 'é{t}', '{t}'), id),
            stale: oneIn(16),
            payload: fc.boolean(),
            snapshot: oneIn(4),
            expiry: fc.option(few),
            touched: oneIn(4),
            members,
          }),
          { minLength: 1, maxLength: 5, selector: (act) => act.id },
        ),
        request: fc.option(few),
        pipelined: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('trim' as const), id, version: few, pipelined: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('thin' as const),
        id,
        from: fc.nat(4),
        counts: fc.array(fc.integer({ min: 2, max: 4 }), { maxLength: 2 }),
        next: few,
        stale: oneIn(8),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('forget' as const), before: few }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('due' as const),
        index: fc.constantFrom(...INDEXES),
        upTo: few,
        limit: fc.integer({ min: 1, max: 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('deltas' as const),
        id,
        after: few,
        limit: fc.integer({ min: 1, max: 9 }),
        maxBytes: fc.option(fc.nat(99), { nil: undefined }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('list' as const),
        prefix: fc.constantFrom('', 'a', 'é'),
        after: fc.option(id, { nil: undefined }),
        limit: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
  );
}
type Command = ReturnType<typeof commands> extends import('fast-check').Arbitrary<infer T> ? T : never;

export const againstMemory: StoreLaw = {
  name: 'random commands have the answers that the memory engine gives',
  run: async (make) => {
    const fc = await fastCheck();
    const lists = fc.array(commands(fc), { minLength: 1, maxLength: 80, size: 'max' });
    await fc.assert(
      fc.asyncProperty(lists, (list) => compare(make, list)),
      { numRuns: 60 },
    );
  },
};

/** Needed only for testing a store. Where it is missing, the law fails: a suite without this law would prove less. */
async function fastCheck(): Promise<Check> {
  return import('fast-check').catch((cause) => {
    throw new Error('this law needs fast-check: npm install --save-dev fast-check', { cause });
  });
}

async function compare(make: () => Promise<StoreSubject>, list: readonly Command[]): Promise<void> {
  const subject = await make();
  try {
    await new Comparison(subject.store, subject.reopen).run(list);
  } finally {
    await subject.destroy();
  }
}

class Comparison {
  readonly #memory = openMemory();
  readonly #pending: Promise<void>[] = [];
  #count = 0;

  constructor(
    public store: Store,
    readonly reopen: (() => Promise<Store>) | undefined,
  ) {}

  async run(commands: readonly Command[]): Promise<void> {
    for (const each of commands) await this.#step(each);
    await this.#settle();
    for (const each of IDS) {
      await this.#same(`load ${each}`, (store) => store.load(each));
      await this.#same(`members of ${each}`, (store) => store.members(each));
      for (let after = 0; after < 12; after++) await this.#same('deltas', (store) => store.deltas(each, after, 100));
      for (let i = 0; i <= 12; i++) await this.#same('recall', (store) => store.recall(each, `r${i}`));
    }
    await this.#same('list', (store) => store.list('', undefined, 100));
    for (const index of INDEXES) {
      await this.#same(index, (store) => store.due(index, 9_000, 100));
    }
  }

  async #step(each: Command): Promise<void> {
    const what = `${++this.#count} ${JSON.stringify(each)}`;
    if (each.kind === 'commit') {
      const commit = await this.#commitOf(each);
      return this.#write(what, each.pipelined, (store) => store.commit(commit));
    }
    if (each.kind === 'remove') {
      const expected = await this.#expected(each);
      if (expected === null) return;
      const removal = { id: each.id, expected, reason: 'deleted' as const, ...this.#request(each.request) };
      return this.#write(what, each.pipelined, (store) => store.remove(removal));
    }
    if (each.kind === 'batch') {
      const operations = await this.#actsOf(each);
      if (operations.length > 0) await this.#write(what, each.pipelined, (store) => store.commitBatch!(operations));
      return;
    }
    if (each.kind === 'trim') {
      return this.#write(what, each.pipelined, (store) => store.trim(each.id, each.version));
    }
    await this.#settle();
    if (each.kind === 'thin') return this.#thin(what, each);
    if (each.kind === 'forget') return this.#same(what, (store) => store.forget(each.before, 1_000));
    if (each.kind === 'due') return this.#same(what, (store) => this.#due(store, each));
    if (each.kind === 'list') return this.#same(what, (store) => store.list(each.prefix, each.after, each.limit));
    if (each.kind === 'deltas') {
      return this.#same(what, (store) => store.deltas(each.id, each.after, each.limit, each.maxBytes));
    }
    if (this.reopen !== undefined) this.store = await this.reopen();
  }

  /** The memory engine takes effect at once, so its position is the one that the other engine will reach. */
  async #write(what: string, pipelined: boolean, write: (store: Store) => Promise<unknown>): Promise<void> {
    const expected = plain(await write(this.#memory));
    this.#pending.push(write(this.store).then((answer) => equal(plain(answer), expected, what)));
    if (!pipelined) await this.#settle();
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#pending.splice(0));
  }

  async #same(what: string, read: (store: Store) => Promise<unknown>): Promise<void> {
    equal(plain(await read(this.store)), plain(await read(this.#memory)), what);
  }

  /** Merges runs of the retained records that memory has. */
  async #thin(what: string, { id, from, counts, next, stale }: Extract<Command, { kind: 'thin' }>): Promise<void> {
    const head = await this.#memory.head(id);
    if (!this.store.thin || !head) return;
    const first = await this.#memory.deltas(id, 0, 1);
    const read = await this.#memory.deltas(id, first.kind === 'truncated' ? first.oldest - 1 : 0, 100);
    const records = read.kind === 'records' ? read.records.slice(from) : [];
    const merged: MergedRecord[] = [];
    let base = 0;
    for (const count of counts) {
      const last = records[base + count];
      if (!last) break;
      const { position } = records[base] as LogRecord;
      merged.push({ ...last, ...numbered(this.#count), merged: { base: position, seal: `${this.#count}` } });
      base += count;
    }
    const seen = stale ? { ...head, position: { ...head.position, digest: 'stale' } } : head;
    await this.#same(what, (store) => store.thin!({ id, merged, next: 1_000 + next, head: seen }));
    await this.#same('deltas', (store) => store.deltas(id, from, 100));
  }

  /** All pages of due entries. */
  async #due(store: Store, { index, upTo, limit }: Extract<Command, { kind: 'due' }>): Promise<Due[]> {
    const key = index === 'length' ? -upTo : index === 'expiry' || index === 'members' ? upTo : 1_000 + upTo;
    const found: Due[] = [];
    for (let page = await store.due(index, key, limit); page.length > 0; ) {
      found.push(...page);
      if (page.length > limit || found.length > IDS.length) throw new Error('more than exists or was requested');
      page = await store.due(index, key, limit, page.at(-1));
    }
    return found;
  }

  async #expected({ id, stale }: { id: string; stale: boolean }) {
    const position = (await this.#memory.head(id))?.position ?? null;
    return stale && position !== null ? { ...position, digest: 'stale' } : position;
  }

  /** The operations of a batch that may be in one batch. */
  async #actsOf({ operations, request }: Extract<Command, { kind: 'batch' }>): Promise<BatchOperation[]> {
    if (!this.store.commitBatch) return [];
    const apart = this.store.cluster?.apart(operations.map(({ id }) => id)) ?? [];
    const together = operations.filter(({ id }) => !apart.includes(id));
    return Promise.all(
      together.map(async (act, i): Promise<BatchOperation> => {
        const named = i === 0 ? request : null;
        const expected = await this.#expected(act);
        if (act.kind === 'commit') return this.#commitOf({ ...act, request: named });
        if (act.kind === 'check') return { id: act.id, expected };
        return { id: act.id, expected, reason: 'deleted', ...this.#request(named) };
      }),
    );
  }

  async #commitOf(each: Omit<Extract<Command, { kind: 'commit' }>, 'kind' | 'pipelined'>): Promise<Commit> {
    const expected = await this.#expected(each);
    const creates = expected === null;
    return commitOf(each.id, expected, {
      line: `${this.#count}-`,
      payload: each.payload || creates ? numbered(this.#count, this.#count % 7) : null,
      ...(each.snapshot && { snapshot: Buffer.from(`document ${this.#count}`) }),
      ...(each.expiry !== null && { expiry: { at: each.expiry, ttl: 3 } }),
      ...(each.touched && { touchedAt: 1_000 + this.#count / 4 }),
      ...this.#request(each.request),
      ...(await this.#membersOf(each)),
    });
  }

  async #membersOf({ id, members: asked }: Pick<Extract<Command, { kind: 'commit' }>, 'id' | 'members'>) {
    const before = (await this.#memory.head(id))?.members;
    const stored = await this.#memory.members(id);
    const { kind, number, at, stale } = asked;
    const old = stored.find((each) => each.number === number);
    const others = stored.length - (old ? 1 : 0);
    const next = { stamp: this.#count, due: Math.min(at, before?.due ?? at) };
    const member = { number, at, ttl: this.#count, path: `["é", "m${number}"]` };
    const ended = (seen?: number): MemberChanges => {
      return { set: [], ended: [seen === undefined ? { number } : { number, at: seen }] };
    };
    const stamp = stale ? 999_999 : before?.stamp;
    if (kind === 'set') return { stamp, mark: next, members: { set: [member], ended: [] } };
    if (kind === 'clear') return { stamp };
    if (!before || !old || kind === 'none') return { stamp, mark: before };
    if (kind === 'renew') return { stamp, mark: before, members: { set: [{ ...member, ttl: old.ttl }], ended: [] } };
    const mark = others > 0 ? { ...next, due: before.due } : undefined;
    return { stamp, mark, members: ended(kind === 'expire' ? at : undefined) };
  }

  #request(number: number | null) {
    if (number === null) return {};
    const request = {
      id: `r${number}`,
      fingerprint: `f${this.#count}`,
      result: Buffer.from(`${this.#count}`),
      at: number,
    };
    return { request };
  }
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}\nanswered ${JSON.stringify(actual)}\nmemory   ${JSON.stringify(expected)}`);
}
