/** What applies to what is in test/vectors/apply.json; here, what it leaves alone. */
import test from 'ava';
import { apply, DeltaMismatch, Replica } from '../src/index.js';
import { connected, startServer } from './support/server.js';

test('the old document stays as it is, and shares what did not change', (t) => {
  const document = { a: { b: { n: 1 }, other: {} }, list: [1, 2], untouched: {} };
  const before = structuredClone(document);
  const value = { v: {} };
  const after = apply(
    [
      { action: 'modified', path: ['a', 'b', 'n'], value: 2 },
      { action: 'spliced', path: ['list'], index: 0, removedCount: 1, inserted: [0] },
      { action: 'added', path: ['new'], value },
      { action: 'added', path: ['new', 'w'], value: 1 },
      { action: 'removed', path: ['a', 'other'] },
    ],
    document,
  );
  t.deepEqual(after, { a: { b: { n: 2 } }, list: [0, 2], untouched: {}, new: { v: {}, w: 1 } });
  t.deepEqual(document, before);
  t.deepEqual(value, { v: {} }, 'a value of the delta, too');
  t.is(after.untouched, document.untouched);
});

test('a delta that fails half way leaves nothing behind', (t) => {
  const document = { a: 1 };
  t.throws(
    () =>
      apply(
        [
          { action: 'modified', path: ['a'], value: 2 },
          { action: 'removed', path: ['b'] },
        ],
        document,
      ),
    {
      instanceOf: DeltaMismatch,
    },
  );
  t.deepEqual(document, { a: 1 });
});

test('documents of a replica are frozen, and share what did not change', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  const kept = { from: { before: [1] } };
  const { position } = await client.set('a', kept);
  const mutations = [{ path: ['from', 'before'], append: [{ n: 2 }] }];
  await client.update('a', { changes: { o: { l: [{ n: 1 }], p: {} } }, mutations });
  const replica = new Replica(client, ['a'], { state: new Map([['a', { value: kept, position }]]) });
  t.teardown(() => replica.close());
  await replica.ready;
  // biome-ignore lint/suspicious/noExplicitAny: to try what its type forbids
  const document = replica.get<any>('a');
  t.deepEqual(document, { from: { before: [1, { n: 2 }] }, o: { l: [{ n: 1 }], p: {} } });
  for (const part of [document, document.o, document.o.p, document.o.l, document.o.l[0], document.from.before]) {
    t.throws(() => (part.x = 1), { instanceOf: TypeError });
  }
  t.throws(() => document.from.before.push(3), { instanceOf: TypeError });
  t.throws(() => document.from.before[1].n++, { instanceOf: TypeError });

  await client.update('a', {
    mutations: [
      { path: ['o', 'p', 'q'], set: [1] },
      { path: ['o', 'l'], remove: true },
    ],
  });
  // biome-ignore lint/suspicious/noExplicitAny: the same
  const after = await replica.waitFor<any>('a', (value) => value?.o.l === undefined);
  t.deepEqual(after, { from: { before: [1, { n: 2 }] }, o: { p: { q: [1] } } });
  t.is(after.from, document.from);
  t.throws(() => after.o.p.q.pop(), { instanceOf: TypeError });
  const copy = structuredClone(after);
  copy.o.p.q.push(2);
  t.deepEqual(copy.o.p.q, [1, 2]);
});
