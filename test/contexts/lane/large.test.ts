/** Large documents that are not in memory: they are decoded in steps, and all else keeps its order. */
import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { View } from '../../../src/contexts/events.js';
import type { JsonObject } from '../../../src/model/model.js';
import { type Engine, openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import type { Store } from '../../../src/store/store.js';
import { documentOf, Reader } from '../../support/reader.js';
import { turnsOf } from '../../support/turns.js';
import { controlled, shared } from '../stores.js';

const MEMBERS = 6000;
const members = (part: number): JsonObject =>
  Object.fromEntries(Array.from({ length: MEMBERS }, (_, i) => [`${part}-${i}`, { n: i, text: 'x'.repeat(70) }]));

/** `t.deepEqual` takes seconds for such documents. */
function same(t: ExecutionContext, view: View, value: JsonObject): void {
  t.true(isDeepStrictEqual(documentOf(view), value));
}

/** A document of some 2 MB, as a snapshot and deltas after it, or as deltas alone. */
async function stored(snapshot: boolean): Promise<{ store: Store; value: JsonObject }> {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  const value: JsonObject = {};
  if (snapshot) for (let n = 0; n < 10; n++) await contexts.set('a', { n, text: `${n}`.repeat(1e6) });
  if (snapshot) Object.assign(value, { n: 9, text: '9'.repeat(1e6) });
  for (const part of [1, 2]) {
    await contexts.update('a', { changes: members(part) }, { allowMissing: true });
    Object.assign(value, members(part));
  }
  return { store, value };
}

for (const snapshot of [true, false]) {
  const title = snapshot ? 'of a snapshot and deltas' : 'of deltas alone';
  test(`a large document ${title} is decoded in steps for a read, a write, an earlier version and a batch`, async (t) => {
    const { store, value } = await stored(snapshot);
    const cold = async () => (await openChord({ store })).contexts;
    const uses = {
      read: async () => t.deepEqual(documentOf(await (await cold()).get('a')), value),
      write: async () => void (await (await cold()).update('a', { changes: { n: 1 } })),
      revert: async () => void (await (await cold()).revert('a', snapshot ? 11 : 1)),
      batch: async () => void (await (await cold()).batch([{ kind: 'update', id: 'a', changes: {}, mutations: [] }])),
    };
    for (const [name, use] of Object.entries(uses)) {
      const turns = await turnsOf(use());
      t.true(turns >= 10, `${name}: ${turns} turns`);
    }
  });
}

test('large writes are evaluated in steps, and a large document is encoded in steps', async (t) => {
  const many = (count: number): JsonObject =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, `value-${i}`]));
  const { contexts } = await openChord({ store: openMemory() });
  const mutations = Array.from({ length: 200 }, (_, i) => ({
    kind: 'splice' as const,
    path: ['list'],
    index: i,
    removeCount: 1,
    insert: [['x'.repeat(5000)]],
  }));
  const uses: Record<string, () => Promise<unknown>> = {
    'a set of many members': () => contexts.set('a', { many: many(20_000), list: [] }),
    'a read of what was set': () => contexts.get('a'),
    'a removal of many members': () => contexts.update('a', { mutations: [{ kind: 'remove', path: ['many'] }] }),
    'a set of a long list': () => contexts.set('a', { list: Array.from({ length: 100_000 }, (_, i) => i) }),
    'many splices of it': () => contexts.update('a', { mutations }),
    'a set in its place': () => contexts.set('a', {}),
    'a revert': () => contexts.revert('a', 1),
    'a batch': () => contexts.batch([{ kind: 'set', id: 'b', value: many(20_000) }]),
  };
  for (const [name, use] of Object.entries(uses)) {
    const turns = await turnsOf(use());
    t.true(turns >= 4, `${name}: ${turns} turns`);
  }
  same(t, await contexts.get('a'), { many: many(20_000), list: [] });
  same(t, await contexts.get('b'), many(20_000));
  t.true((await turnsOf(contexts.update('b', { changes: { n: 1 } }))) < 4, 'a small write of a large document');
});

test('the snapshot that a small write of a large document leaves out comes with the next write', async (t) => {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  // Without a common part, so that the whole text is stored each time.
  const text = (n: number) => String.fromCharCode(97 + (n % 26)).repeat(150_000);
  await contexts.set('a', { a: text(0), b: text(1), c: text(2) });
  let n = 3;
  const due: number[] = [];
  for (; due.length < 2; n++) {
    const before = (await store.load('a'))?.snapshot?.version;
    await contexts.update('a', { changes: { a: text(n) } });
    const now = await store.load('a');
    if (now?.snapshot?.version === before) continue;
    due.push(now!.snapshot!.version);
    t.is(now?.snapshot?.version, now?.head.position.version, 'the snapshot is of the write that brings it');
  }
  const { contexts: cold } = await openChord({ store });
  t.deepEqual(documentOf(await cold.get('a')), { a: text(n - 1), b: text(1), c: text(2) });
});

for (const fault of ['lost', 'unanswered'] as const) {
  test(`a commit that is ${fault} while the next write is evaluated in steps`, async (t) => {
    const { store, control } = controlled();
    const { contexts } = await openChord({ store });
    await contexts.set('a', { n: 0, ...members(1) });
    control.faults = [fault];
    control.held = true;
    const first = contexts.update('a', { changes: { n: 1 } });
    const long = contexts.set('a', { n: 2, ...members(2) });
    const last = contexts.update('a', { mutations: [{ kind: 'increment', path: ['n'], by: 1 }] });
    control.held = false;
    control.release();
    const results = await Promise.allSettled([first, long, last]);
    // What comes after a write of unknown outcome is built upon it, or upon what the store has.
    t.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    );
    same(t, await contexts.get('a'), { n: fault === 'lost' ? 1 : 2, ...members(1) });
    await contexts.set('a', { n: 5, ...members(2) });
    same(t, await contexts.get('a'), { n: 5, ...members(2) });
  });
}

test('of two servers, the one that evaluates in steps on an old state evaluates again', async (t) => {
  const { stores } = shared(2);
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store })))) as [Engine, Engine];
  await a.contexts.set('a', { n: 0 });
  await b.contexts.get('a');
  await Promise.all([
    a.contexts.update('a', { changes: members(1) }),
    b.contexts.update('a', { mutations: [{ kind: 'increment', path: ['n'], by: 1 }] }),
    a.contexts.update('a', { changes: members(2) }),
  ]);
  same(t, await b.contexts.get('a'), { n: 1, ...members(1), ...members(2) });
});

test('what comes while a document is decoded is done after what waits for it', async (t) => {
  const { store } = await stored(true);
  const { contexts } = await openChord({ store });
  const order: string[] = [];
  const did = (name: string) => () => void order.push(name);
  await Promise.all([
    contexts.update('a', { changes: { n: 'first' } }).then(did('update')),
    contexts.touch('a', 1000).then(did('touch')),
    contexts.delete('a').then(did('delete')),
    contexts.set('a', { n: 'again' }).then(did('set')),
  ]);
  t.deepEqual(order, ['update', 'touch', 'delete', 'set']);
  t.deepEqual(documentOf(await contexts.get('a')), { n: 'again' });
});

test('a delta of another server reaches a large document that is not decoded yet', async (t) => {
  const { stores } = shared(2);
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store })))) as [Engine, Engine];
  for (let n = 0; n < 10; n++) await a.contexts.set('a', { n, ...members(n % 2) });
  const reader = new Reader(['a']).open(b.contexts, b.hub);
  await reader.beat();
  await a.contexts.update('a', { changes: { n: 'new' } });
  await reader.until(() => reader.copies.get('a')?.value?.n === 'new');
  t.deepEqual(reader.copies.get('a')?.value, { n: 'new', ...members(1) });
  t.deepEqual(documentOf(await b.contexts.get('a')), { n: 'new', ...members(1) });
});
