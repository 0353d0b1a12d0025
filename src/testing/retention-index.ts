/** The retention index of cleanup, and the conflicts that a removal based on it must detect. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Due, Store } from '../store/store.js';
import { commitOf, ids, positionAt, range, write } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

const snapshot = Buffer.from('document');

export const dues: readonly StoreLaw[] = [
  law('due: idle goes by the last write or touch of contexts without a time to live', async ({ store }) => {
    await write(store, 'often', 500);
    await write(store, 'b', 3);
    await write(store, 'a', 3);
    await write(store, 'mortal', 3, 0, () => ({ expiry: { at: 5, ttl: 5 } }));
    deepEqual(await store.due('idle', 1_002, 10), []);
    deepEqual(await store.due('idle', 1_003, 10), [due('a', 1_003), due('b', 1_003)]);
    await store.commit(commitOf('a', positionAt(3), { payload: null, touchedAt: 2_000 }));
    deepEqual(await store.due('idle', 1_999, 10), [due('b', 1_003), due('often', 1_500)]);
    deepEqual(await store.due('idle', 2_000, 10, due('b', 1_003)), [due('often', 1_500), due('a', 2_000)]);
    deepEqual(await store.head('a'), { ...commitOf('a', positionAt(2)).head, touchedAt: 2_000 });

    // A time to live is set and taken away again.
    await store.commit(commitOf('b', positionAt(3), { expiry: { at: 9, ttl: 9 } }));
    deepEqual(await ids(store.due('idle', 5_000, 10)), ['often', 'a']);
    deepEqual(await ids(store.due('expiry', 5_000, 10)), ['mortal', 'b']);
    await store.commit(commitOf('b', positionAt(4)));
    deepEqual(await ids(store.due('idle', 5_000, 10)), ['b', 'often', 'a']);
    deepEqual(await ids(store.due('expiry', 5_000, 10)), ['mortal']);
  }),

  law('due: age goes by the oldest retained record', async ({ store }) => {
    await write(store, 'a', 20);
    await write(store, 'b', 5);
    deepEqual(await store.due('age', 1_000, 10), []);
    deepEqual(await store.due('age', 1_001, 10), [due('a', 1_001), due('b', 1_001)]);
    await store.commit(commitOf('a', positionAt(20), { payload: null, snapshot }));
    await store.trim('a', 7);
    deepEqual(await store.due('age', 5_000, 10), [due('b', 1_001), due('a', 1_008)]);
    await store.trim('a', 20);
    deepEqual(await store.due('age', 5_000, 10), [due('b', 1_001)], 'no record is left');
    await write(store, 'a', 23, 20);
    deepEqual(await store.due('age', 5_000, 10), [due('b', 1_001), due('a', 1_021)]);
  }),

  law('due: length goes by the number of retained records, most first', async ({ store }) => {
    for (const [id, count] of Object.entries({ one: 1, two: 2, some: 100, many: 130 })) await write(store, id, count);
    deepEqual(await store.due('length', -131, 10), []);
    deepEqual(await store.due('length', -101, 10), [due('many', -130)]);
    deepEqual(await store.due('length', -100, 10), [due('many', -130), due('some', -100)]);
    await store.commit(commitOf('many', positionAt(130), { snapshot }));
    await store.trim('many', 31);
    deepEqual(await store.due('length', -101, 10), []);
    deepEqual(await store.due('length', -2, 10), [due('many', -100), due('some', -100), due('two', -2)]);
    await write(store, 'many', 132, 131);
    deepEqual(await store.due('length', -101, 10), [due('many', -101)], 'the next write counts at once');
    for (const version of range(300)) await write(store, 'two', version + 3, version + 2);
    deepEqual(await store.due('length', -101, 1), [due('two', -302)]);
  }),

  law('due: a page starts where the last one ended, whatever was removed in between', async ({ store }) => {
    const all = range(50).map((i) => `c${String(i).padStart(2, '0')}`);
    for (const id of all.toReversed()) await write(store, id, 2);
    for (const size of [1, 7, 50]) {
      const found: string[] = [];
      for (let page = await store.due('age', 1_001, size); page.length > 0; ) {
        found.push(...page.map(({ id }) => id));
        ok(found.length <= all.length, 'an entry of an earlier page comes again');
        page = await store.due('age', 1_001, size, page.at(-1));
      }
      deepEqual(found, all);
    }
    const [first] = await store.due('age', 1_001, 1);
    for (const id of ['c00', 'c01', 'c02']) await store.remove({ id, expected: positionAt(2), reason: 'deleted' });
    deepEqual(await ids(store.due('age', 1_001, 2, first)), ['c03', 'c04']);
    for (const index of ['idle', 'length'] as const) equal((await store.due(index, 5_000, 100)).length, 47);
  }),

  law('due: a later life starts anew in all indexes', async ({ store }) => {
    await write(store, 'a', 200, 0, () => ({ expiry: { at: 5, ttl: 5 } }));
    await store.remove({ id: 'a', expected: positionAt(200), reason: 'expired' });
    for (const index of ['expiry', 'idle', 'age', 'length'] as const) deepEqual(await store.due(index, 9_000, 9), []);
    const restored = { ...commitOf('a', positionAt(41), { payload: null, snapshot }), expected: null };
    await store.commit(restored);
    deepEqual(await store.due('idle', 9_000, 9), [due('a', 1_041)]);
    deepEqual(await store.due('age', 9_000, 9), []);
    await write(store, 'a', 43, 41);
    deepEqual(await store.due('length', -1, 9), [due('a', -2)]);
    deepEqual(await store.due('age', 9_000, 9), [due('a', 1_042)]);
  }),

  law('due: the answers are the same after closing and opening', async ({ store, reopen }) => {
    if (reopen === undefined) return;
    for (const i of range(10))
      await write(store, `c${i}`, i * 20 + 1, 0, () => (i % 2 ? {} : { expiry: { at: i, ttl: 1 } }));
    const see = (from: Store) =>
      Promise.all(
        (['expiry', 'idle', 'age', 'length'] as const).map((index) =>
          from.due(index, index === 'length' ? -50 : 1_100, 99),
        ),
      );
    const before = await see(store);
    deepEqual(
      before.map(({ length }) => length),
      [5, 2, 10, 7],
    );
    deepEqual(await see(await reopen()), before);
  }),

  law('a removal conflicts with a renewal that it does not include', async ({ store }) => {
    await write(store, 'a', 2, 0, () => ({ expiry: { at: 50, ttl: 50 } }));
    const removal = { id: 'a', expected: positionAt(2), reason: 'expired', expiry: { at: 50, ttl: 50 } } as const;
    const renewed = commitOf('a', positionAt(2), { payload: null, expiry: { at: 90, ttl: 50 } });
    await store.commit(renewed);
    deepEqual(await store.remove(removal), { kind: 'conflict', head: renewed.head });
    equal((await store.remove({ ...removal, expiry: { at: 90, ttl: 50 } })).kind, 'committed');

    await write(store, 'b', 2);
    const idle = { id: 'b', expected: positionAt(2), reason: 'expired', usedAt: 1_002 } as const;
    const touched = commitOf('b', positionAt(2), { payload: null, touchedAt: 1_003 });
    await store.commit(touched);
    deepEqual(await store.remove(idle), { kind: 'conflict', head: touched.head });
    equal((await store.remove({ ...idle, usedAt: 1_003 })).kind, 'committed');

    await write(store, 'c', 2);
    const given = commitOf('c', positionAt(2), { payload: null, expiry: { at: 90, ttl: 50 } });
    await store.commit(given);
    deepEqual(await store.remove({ ...idle, id: 'c' }), { kind: 'conflict', head: given.head });
  }),
];

function due(id: string, key: number): Due {
  return { id, key };
}
