/** Lanes on stores that hold, fail and conflict; and several servers on one store. */
import test from 'ava';
import { LANE_BYTES } from '../../../src/contexts/lane/lane.js';
import { ChordError } from '../../../src/model/errors.js';
import { type Engine, openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import type { Commit, Store } from '../../../src/store/store.js';
import { documentOf, Reader } from '../../support/reader.js';
import { until } from '../../support/until.js';
import { controlled, type Fate, over, shared } from '../stores.js';

const increment = (by = 1) => ({ mutations: [{ kind: 'increment' as const, path: ['n'], by }] });
const read = async ({ contexts }: Engine, id = 'a') => documentOf(await contexts.get(id));

test('pipelined writes are answered in order, and no read sees one that is not durable', async (t) => {
  const { store, control } = controlled();
  const chord = await openChord({ store });
  await chord.contexts.set('a', { n: 0 });
  const reader = new Reader(['a']).open(chord.contexts, chord.hub);
  await reader.beat();
  control.held = true;
  const order: number[] = [];
  const writes = [1, 2, 3].map((i) => chord.contexts.update('a', increment()).then(() => order.push(i)));
  t.is(control.waiting.length, 3);
  t.is((await chord.contexts.sync('a', (await store.head('a'))?.position)).kind, 'no_change');
  t.is(reader.log.at(-1), 'heartbeat');
  control.release(1);
  await writes[0];
  t.is((await store.head('a'))?.position.version, 2);
  t.deepEqual(order, [1]);
  control.release();
  await Promise.all(writes);
  t.deepEqual(order, [1, 2, 3]);
  await reader.beat();
  t.deepEqual(reader.copies.get('a')?.value, { n: 3 });
});

test('a document that belongs to a later life by the time it can be sent comes with that reason', async (t) => {
  const { store, control } = controlled();
  const chord = await openChord({ store });
  const { position } = await chord.contexts.set('a', { n: 0 });
  await chord.contexts.set('a', {});
  control.held = true;
  const writes = [chord.contexts.delete('a'), chord.contexts.set('a', {})];
  // Removing the one member takes more bytes than the empty document.
  const answer = chord.contexts.sync('a', position);
  control.held = false;
  control.release();
  const [, created] = await Promise.all(writes);
  const result = await answer;
  t.like(result, { kind: 'full', reason: 'epoch_changed' });
  t.deepEqual(result.kind === 'full' && result.view.head.position, created?.position);
});

for (const fault of ['lost', 'unanswered'] as const) {
  test(`a commit that is ${fault} fails all that is built upon it; then the lane goes on from the store`, async (t) => {
    const { store, control } = controlled();
    const chord = await openChord({ store });
    await chord.contexts.set('a', { n: 0 });
    const reader = new Reader(['a']).open(chord.contexts, chord.hub);
    await reader.beat();
    control.faults = [undefined, fault, undefined];
    const results = await Promise.allSettled([1, 10, 100].map((by) => chord.contexts.update('a', increment(by))));
    t.is(results[0]?.status, 'fulfilled');
    t.is(results[1]?.status, 'rejected');
    // What was stored all the same carries the last one, which may then say so.
    t.is(results[2]?.status, fault === 'lost' ? 'rejected' : 'fulfilled');
    const n = fault === 'lost' ? 1 : 111;
    t.deepEqual(await read(chord), { n });
    await chord.contexts.update('a', increment(1000));
    await reader.beat();
    t.deepEqual(reader.copies.get('a')?.value, { n: n + 1000 });
  });
}

test('a repeat that changes nothing leaves the writes behind it as they are: once', async (t) => {
  const chord = await openChord({ store: openMemory() });
  await chord.contexts.set('a', { n: 0 });
  await chord.contexts.set('a', { n: 0 }, { requestId: 'r' });
  await Promise.all([chord.contexts.set('a', { n: 0 }, { requestId: 'r' }), chord.contexts.update('a', increment())]);
  t.deepEqual(await read(chord), { n: 1 });
});

test('a lane is not forgotten between its load and the write that waits for it', async (t) => {
  const ids = ['a', 'b', 'c'];
  const { store, control } = controlled();
  const before = await openChord({ store });
  for (const id of ids) await before.contexts.set(id, { n: 0 });

  const chord = await openChord({ store, cacheBytes: 0 });
  control.held = true;
  const writes = ids.map((id) => chord.contexts.update(id, increment()));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await until(() => control.waiting.length === ids.length);
  // A second lane of the same context would now load, and keep, what is about to be replaced.
  const early = read(chord, 'a');
  await turn();
  control.release();
  await Promise.all([...writes, early]);
  for (const id of ids) t.deepEqual(await read(chord, id), { n: 1 });
  t.is(chord.contexts.cache.contexts, 1);
});

test('the cache stays within its bytes, and what deletes leave is counted off', async (t) => {
  const chord = await openChord({ store: openMemory(), cacheBytes: 50_000 });
  const ids = Array.from({ length: 40 }, (_, i) => `id ${i}`);
  for (const id of ids) await chord.contexts.set(id, { text: 'x'.repeat(3000) });
  for (const id of ids) await chord.contexts.get(id);
  // The newest lane stays, whatever it takes.
  t.true(chord.contexts.cache.bytes <= 50_000 + 25_000, `${chord.contexts.cache.bytes}`);
  for (const id of ids) await chord.contexts.delete(id);
  t.is(chord.contexts.cache.bytes, chord.contexts.cache.contexts * LANE_BYTES);
});

test('snapshots are written when they are due, and a cold load gives the same', async (t) => {
  const store = openMemory();
  const chord = await openChord({ store });
  for (let i = 0; i < 300; i++) await chord.contexts.set('a', { i, text: `${i}`.repeat(20) });
  const stored = await store.load('a');
  t.truthy(stored?.snapshot);
  t.true((stored?.records.length ?? 0) < 300);
  t.deepEqual(await read(await openChord({ store })), await read(chord));
});

const fates: { readonly [name: string]: Fate[] } = {
  reliably: ['arrives'],
  'with messages lost, late and twice': ['arrives', 'lost', 'late', 'twice'],
};
for (const [name, list] of Object.entries(fates)) {
  test(`two servers that hear of one another ${name} lose none of 1,000 updates`, async (t) => {
    let message = 0;
    const { stores, gap } = shared(2, () => list[message++ % list.length] as Fate);
    const servers = await Promise.all(stores.map((store) => openChord({ store })));
    const readers = servers.map(({ contexts, hub }) => new Reader(['a', '*']).open(contexts, hub));
    await Promise.all(readers.map((reader) => reader.beat()));
    const writes = Array.from({ length: 1000 }, (_, i) =>
      (servers[i % 2] as Engine).contexts.update('a', increment(), { allowMissing: true }),
    );
    const versions = (await Promise.all(writes)).map(({ position }) => position?.version ?? 0);
    t.deepEqual(
      versions.sort((a, b) => a - b),
      Array.from({ length: 1000 }, (_, i) => i + 1),
    );
    await new Promise((resolve) => setImmediate(resolve));
    gap();
    for (const [index, reader] of readers.entries()) {
      await reader.beat();
      t.deepEqual(reader.copies.get('a')?.value, { n: 1000 });
      t.deepEqual(await read(servers[index] as Engine), { n: 1000 });
    }
  });
}

test('beside another server, no answer rests on a state that is old', async (t) => {
  let now = 1000;
  const { stores } = shared(2, () => 'lost');
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store, clock: () => now })))) as [Engine, Engine];
  await a.contexts.set('a', { x: 1 }, { ttl: 100 });
  t.deepEqual(await read(b), { x: 1 });
  const { position } = await a.contexts.set('a', { x: 2 });

  const same = await b.contexts.set('a', { x: 1 }); // no news for b, unless it looks
  t.true(same.changed);
  const next = await a.contexts.set('a', { x: 3 }, { expected: { kind: 'position', position: same.position! } });
  t.is(next.position?.version, position!.version + 2);
  await t.throwsAsync(b.contexts.set('a', {}, { expected: { kind: 'absent' } }), { message: /version 4/ });

  await a.contexts.touch('a', 1000);
  now += 500; // by what b knew, it has expired
  await b.contexts.update('a', increment());
  t.deepEqual(await read(a), { x: 3, n: 1 });
  await a.contexts.delete('a');
  t.is((await b.contexts.sync('a', next.position)).kind, 'missing');
});

test('after a conflict a server takes its turn, reads, and commits all that waits, before it ends the turn', async (t) => {
  const { stores } = shared(2, () => 'lost');
  const calls: string[] = [];
  const note = <A extends unknown[], R>(name: string, call: (...args: A) => R) => {
    return (...args: A): R => {
      calls.push(name);
      return call(...args);
    };
  };
  const turns = { take: note('take', async () => {}), end: note('end', () => {}) };
  const [first, second] = [stores[0]!, stores[1]!];
  const store = over(second, {
    cluster: { ...second.cluster!, turns },
    head: note('head', (id: string) => second.head(id)),
    deltas: note('deltas', (...args: Parameters<Store['deltas']>) => second.deltas(...args)),
    commit: note('commit', (commit: Commit) => second.commit(commit)),
  });
  const [a, b] = [await openChord({ store: first }), await openChord({ store })];
  await a.contexts.set('a', { n: 0 });
  await b.contexts.update('a', increment());
  await a.contexts.update('a', increment(5));
  calls.length = 0;
  await Promise.all(Array.from({ length: 300 }, () => b.contexts.update('a', increment())));
  t.is((await read(a)).n, 306);
  const began = calls.indexOf('take');
  t.true(began > 0 && calls.slice(0, began).every((call) => call === 'commit'));
  // So many writes were evaluated in vain, at most, and so many wait for the next server's turn.
  t.true(began <= 128, `${began} writes in flight`);
  const ended = calls.indexOf('end');
  t.deepEqual(calls.slice(began, began + 3), ['take', 'head', 'deltas']);
  t.deepEqual(calls.slice(began + 3, ended), Array(128).fill('commit'));
  t.is(calls.filter((call) => call === 'take').length, 1);
  t.is(calls.filter((call) => call === 'commit').length, 300 + began);
});

test('after a gap a reader of a prefix finds what it has not heard of', async (t) => {
  const { stores, gap } = shared(2, () => 'lost');
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store })))) as [Engine, Engine];
  const reader = new Reader(['*']).open(b.contexts, b.hub);
  await reader.beat();
  await a.contexts.set('new', { n: 1 });
  gap();
  await reader.until(() => reader.copies.has('new'));
  t.deepEqual(reader.copies.get('new')?.value, { n: 1 });
});

test('a repeat whose delta cannot be read since the store is away says so; without one it answers', async (t) => {
  const inner = openMemory();
  let away = false;
  const store = over(inner, {
    deltas: (...asked) => {
      if (away) return Promise.reject(new ChordError('UNAVAILABLE', 'the store is away'));
      return inner.deltas(...asked);
    },
  });
  const { contexts } = await openChord({ store });
  const options = { requestId: 'r', returning: { delta: true } };
  const first = await contexts.set('a', { n: 1 }, options);
  away = true;
  await t.throwsAsync(contexts.set('a', { n: 1 }, options), { message: 'the store is away' });
  t.deepEqual((await contexts.set('a', { n: 1 }, { requestId: 'r' })).position, first.position);
  away = false;
  t.truthy((await contexts.set('a', { n: 1 }, options)).delta);
  await contexts.delete('a');
  const gone = await contexts.set('a', { n: 1 }, options);
  t.deepEqual([gone.position, gone.delta], [first.position, undefined]);
});
