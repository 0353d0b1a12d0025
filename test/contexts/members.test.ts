/** Members that expire, with a clock that only the test moves: what ends a time, what renews it, and what nobody may see. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeStruct } from '../../src/codec/struct.js';
import type { CommitEvent } from '../../src/contexts/events.js';
import { ContextService } from '../../src/contexts/service.js';
import type { Mutation } from '../../src/contexts/writes/mutations.js';
import type { Json, JsonObject } from '../../src/model/model.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import { openMemory } from '../../src/store/memory.js';
import type { Store } from '../../src/store/store.js';
import { controlled, shared } from './stores.js';

const START = 1_000_000;

class Stage {
  now = START;
  readonly events: CommitEvent[] = [];
  readonly dues: number[] = [];

  open(store: Store): ContextService {
    return new ContextService({
      ...{ store, clock: () => this.now, publish: (event) => void this.events.push(event) },
      onError: (error) => {
        throw error;
      },
      onMembers: (due) => void this.dues.push(due),
      ...{ cacheBytes: 1 << 26, maxDocumentBytes: 3 << 20, maxRequestMembers: 25_000, deltaThreshold: 100 },
    });
  }
}

function stage(store: Store = openMemory()) {
  const parts = new Stage();
  return { parts, contexts: parts.open(store) };
}

function set(path: string[], value: Json, ttl?: number): Mutation {
  return { kind: 'set', path, value, ttl };
}

async function documentOf(contexts: ContextService, id = 'a'): Promise<JsonObject> {
  return decodeStruct((await contexts.get(id)).value.bytes);
}

async function timesOf(contexts: ContextService, id = 'a'): Promise<Record<string, number>> {
  const { expiries } = await contexts.getWithExpiries(id);
  return Object.fromEntries(expiries.map(({ path, at }) => [path.join('.'), at - START]));
}

const CASES: { title: string; mutations?: Mutation[]; changes?: JsonObject; times: Record<string, number> }[] = [
  { title: 'a change below keeps it', mutations: [set(['a', 'x'], 2)], times: { a: 5000, 'b.c': 5000 } },
  { title: 'a merge below keeps it', changes: { a: { x: 2 } }, times: { a: 5000, 'b.c': 5000 } },
  {
    title: 'an increment below keeps it',
    mutations: [{ kind: 'increment', path: ['a', 'n'], by: 1 }],
    times: { a: 5000, 'b.c': 5000 },
  },
  { title: 'a set of the path ends it', mutations: [set(['a'], { x: 2 })], times: { 'b.c': 5000 } },
  { title: 'a set of the path to the same value ends it', mutations: [set(['a'], { x: 1 })], times: { 'b.c': 5000 } },
  { title: 'a merge that sets the path ends it', changes: { b: { c: 1 } }, times: { a: 5000 } },
  { title: 'a removal ends it', mutations: [{ kind: 'remove', path: ['a'] }], times: { 'b.c': 5000 } },
  { title: 'a set of an ancestor ends it', mutations: [set(['b'], { c: 1 })], times: { a: 5000 } },
  { title: 'a removal of an ancestor ends it', mutations: [{ kind: 'remove', path: ['b'] }], times: { a: 5000 } },
  {
    title: 'a set of an ancestor with a time ends it',
    mutations: [set(['b'], 1, 9000)],
    times: { a: 5000, b: 10_000 },
  },
  { title: 'another time to live', mutations: [set(['a'], { x: 1 }, 2000)], times: { a: 3000, 'b.c': 5000 } },
  { title: 'the same again', mutations: [set(['a'], { x: 1 }, 5000)], times: { a: 6000, 'b.c': 5000 } },
  { title: 'another value with the same time', mutations: [set(['a'], 7, 5000)], times: { a: 6000, 'b.c': 5000 } },
  {
    title: 'mutations in their order',
    mutations: [set(['a'], 7, 5000), set(['a'], 8), set(['b', 'c'], 1), set(['b', 'c'], 1, 3000)],
    times: { 'b.c': 4000 },
  },
];

for (const { title, mutations = [], changes, times } of CASES) {
  test(`the time belongs to the path: ${title}`, async (t) => {
    const { parts, contexts } = stage();
    await contexts.set('a', { other: 1 });
    await contexts.update('a', { mutations: [set(['a'], { x: 1 }, 5000), set(['b', 'c'], 1, 5000)] });
    parts.now += 1000;
    await contexts.update('a', { changes, mutations });
    t.deepEqual(await timesOf(contexts), times);
  });
}

test('a whole document, a revert and a new life have no member that expires', async (t) => {
  const { parts, contexts } = stage();
  const member = { mutations: [set(['m'], 1, 5000)] };
  await contexts.update('a', member, { allowMissing: true });
  await contexts.set('a', { m: 1 });
  t.deepEqual(await timesOf(contexts), {}, 'the same document');
  await contexts.update('a', member);
  await contexts.update('a', { mutations: [set(['m'], 2, 5000)] });
  await contexts.revert('a', 1);
  t.deepEqual(await timesOf(contexts), {});
  await contexts.update('a', member);
  await contexts.delete('a');
  await contexts.set('a', { m: 1 });
  parts.now += 10_000;
  t.deepEqual(await documentOf(contexts), { m: 1 });
});

test('a renewal is no version and no event, and another time to live neither', async (t) => {
  const { parts, contexts } = stage();
  const count = 10_000;
  for (let i = 0; i < count; i += 1000) {
    const mutations = Array.from({ length: 1000 }, (_, j) => set(['m', `k${i + j}`], i, 30_000));
    await contexts.update('a', { mutations }, { allowMissing: true });
  }
  const { position } = (await contexts.get('a')).head;
  parts.events.length = 0;
  parts.now += 20_000;
  const paths = Array.from({ length: count }, (_, i) => ['m', `k${i}`]);
  await Promise.all(paths.slice(0, 9000).map((path) => contexts.touchMembers('a', [path])));
  await contexts.touchMembers('a', paths.slice(9000, 9999));
  const again = await contexts.update('a', { mutations: [set(['m', 'k9999'], 9000, 30_000)] }, { requestId: 'again' });
  t.false(again.changed);
  t.false((await contexts.update('a', { mutations: [set(['m', 'k0'], 0, 60_000)] })).changed);
  parts.now += 29_999;
  t.is(Object.keys((await documentOf(contexts)).m as JsonObject).length, count);
  t.deepEqual((await contexts.get('a')).head.position, position);
  t.deepEqual(parts.events, []);
  parts.now += 1;
  t.deepEqual(await documentOf(contexts), { m: { k0: 0 } }, 'the others go at once ...');
  t.is(parts.events.length, 1, '... in one version');
  t.like(parts.events[0], { kind: 'delta', delta: { cause: 'expired', to: { version: position.version + 1 } } });
});

test('no read shows a member whose time is over, and each says where that leaves the context', async (t) => {
  type Read = (contexts: ContextService) => Promise<unknown>;
  const reads: Record<string, Read> = {
    get: async (contexts) => (await contexts.get('a')).head.position.version,
    sync: async (contexts) => {
      const result = await contexts.sync('a', undefined);
      return result.kind === 'full' && result.view.head.position.version;
    },
    list: async (contexts) => (await contexts.list('')).heads[0]?.head.position.version,
    deltas: async (contexts) => (await contexts.deltas('a', 0)).head.version,
    write: async (contexts) => (await contexts.update('a', { changes: {} })).position?.version,
    batch: async (contexts) => (await contexts.batch([{ kind: 'touch', id: 'a' }]))[0]?.position?.version,
    touch: async (contexts) => (await contexts.touch('a')).position.version,
    sweep: async (contexts) => contexts.endMembers('a').then(() => 2),
  };
  for (const [name, read] of Object.entries(reads)) {
    for (const cacheBytes of ['warm', 'cold']) {
      const store = openMemory();
      const { parts, contexts } = stage(store);
      await contexts.update('a', { changes: { n: 1 }, mutations: [set(['m'], 1, 1000)] }, { allowMissing: true });
      const other = cacheBytes === 'cold' ? parts.open(store) : contexts;
      parts.now += 1000;
      t.is(await read(other), 2, `${name}, ${cacheBytes}`);
      t.deepEqual(await documentOf(other), { n: 1 });
      const { deltas } = await other.deltas('a', 0);
      t.deepEqual(
        deltas.map(({ cause }) => cause),
        [undefined, 'expired'],
      );
      const before = await other.past.atVersion('a', 1);
      t.deepEqual(decodeStruct(before.value.bytes), { n: 1, m: 1 }, 'the past is as it was');
    }
  }
});

test('conditions meet the document without it', async (t) => {
  const { parts, contexts } = stage();
  await contexts.update('a', { mutations: [set(['m'], 1, 1000)] }, { allowMissing: true });
  parts.now += 1000;
  const stale = contexts.update('a', { changes: { n: 1 } }, { expected: { kind: 'version', version: 1 } });
  const error = await t.throwsAsync(stale);
  t.like(error, { reason: 'ABORTED', details: { current: { version: 2 } } });
});

test('a touch of what does not expire, or no longer, is refused and renews nothing', async (t) => {
  const { parts, contexts } = stage();
  await contexts.update('a', { mutations: [set(['m'], 1, 2000), set(['x'], 1)] }, { allowMissing: true });
  parts.now += 1000;
  const both = await t.throwsAsync(contexts.touchMembers('a', [['m'], ['x']]));
  t.like(both, { reason: 'FAILED_PRECONDITION', details: { violations: [{ field: 'paths[1]' }] } });
  t.deepEqual(await timesOf(contexts), { m: 2000 });
  parts.now += 1000;
  t.like(await t.throwsAsync(contexts.touchMembers('a', [['m']])), { reason: 'FAILED_PRECONDITION' });
  t.like(await t.throwsAsync(contexts.touchMembers('b', [['m']])), { reason: 'NOT_FOUND' });
});

test('what a batch refuses changes no time', async (t) => {
  const { parts, contexts } = stage();
  for (const id of ['a', 'b']) await contexts.update(id, { mutations: [set(['m'], 1, 5000)] }, { allowMissing: true });
  parts.now += 1000;
  const refused = contexts.batch([
    { kind: 'touch', id: 'a', paths: [['m']] },
    { kind: 'update', id: 'b', mutations: [set(['m'], 1)], expected: { kind: 'absent' } },
  ]);
  t.like(await t.throwsAsync(refused), { reason: 'ABORTED' });
  t.deepEqual([await timesOf(contexts, 'a'), await timesOf(contexts, 'b')], [{ m: 5000 }, { m: 5000 }]);
  await contexts.batch([
    { kind: 'touch', id: 'a', paths: [['m']] },
    { kind: 'update', id: 'b', mutations: [set(['m'], 1)] },
  ]);
  t.deepEqual([await timesOf(contexts, 'a'), await timesOf(contexts, 'b')], [{ m: 6000 }, {}]);
});

test('where the store fails, a read that meets an expired member fails, and the next one tries again', async (t) => {
  const { control, store } = controlled();
  const { parts, contexts } = stage(store);
  await contexts.update('a', { mutations: [set(['m'], 1, 1000)] }, { allowMissing: true });
  parts.now += 1000;
  control.faults.push('lost');
  t.like(await t.throwsAsync(contexts.get('a')), { reason: 'UNAVAILABLE' });
  t.deepEqual(await documentOf(contexts), {});
  t.is((await contexts.get('a')).head.position.version, 2);
});

test('at most 25,000 members of a document expire', async (t) => {
  const { contexts } = stage();
  for (let i = 0; i < 25; i++) {
    const mutations = Array.from({ length: 1000 }, (_, j) => set([`k${i}`, `${j}`], 1, 30_000));
    await contexts.update('a', { mutations }, { allowMissing: true });
  }
  const more = await t.throwsAsync(contexts.update('a', { mutations: [set(['one'], 1, 30_000)] }));
  t.like(more, { reason: 'RESOURCE_EXHAUSTED' });
  t.false('one' in (await documentOf(contexts)));
  await contexts.update('a', { mutations: [set(['k0', '0'], 2, 30_000)] });
});

test('servers on one store: a member goes once, and not before a renewal through another server says', async (t) => {
  const { stores } = shared(2);
  const parts = new Stage();
  const [one, two] = stores.map((store) => parts.open(store)) as [ContextService, ContextService];
  await one.update('a', { mutations: [set(['m'], 1, 5000), set(['n'], 1, 5000)] }, { allowMissing: true });
  t.deepEqual(await documentOf(two), { m: 1, n: 1 });
  parts.now += 4000;
  await one.touchMembers('a', [['m']]);
  parts.now += 1000;
  await Promise.all([one, two, one, two].map((contexts) => contexts.endMembers('a')));
  for (const contexts of [one, two]) {
    t.deepEqual(await documentOf(contexts), { m: 1 });
    t.is((await contexts.get('a')).head.position.version, 2);
  }
  await two.update('a', { mutations: [set(['m'], 1)] });
  parts.now += 100_000;
  t.deepEqual(await documentOf(one), { m: 1 }, 'the time was ended without a version');
});

test('over a restart a member lives as long as it was promised', async (t: ExecutionContext) => {
  const directory = await mkdtemp(join(tmpdir(), 'chord-members-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const first = await openLmdb({ directory, minFreeBytes: 0 });
  const { parts, contexts } = stage(first);
  await contexts.update('a', { mutations: [set(['m'], 1, 5000), set(['n'], 1, 5000)] }, { allowMissing: true });
  parts.now += 3000;
  await contexts.touchMembers('a', [['m']]);
  await first.close();
  const second = await openLmdb({ directory, minFreeBytes: 0 });
  t.teardown(() => second.close());
  const again = parts.open(second);
  t.deepEqual(await timesOf(again), { m: 8000, n: 5000 });
  parts.now += 4999;
  t.deepEqual(await documentOf(again), { m: 1 });
  parts.now += 1;
  t.deepEqual(await second.due('members', parts.now, 10), [{ id: 'a', key: START + 8000 }]);
  t.deepEqual(await documentOf(again), {});
});
