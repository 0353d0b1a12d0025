/** Promise 8 of the store contract: batches. A store without `commitBatch` keeps the promise by having no batches. */
import { deepEqual, equal } from 'node:assert/strict';
import type { BatchOperation, Store } from '../store/store.js';
import { commitOf, numbered, plain, positionAt, range, recordOf, requestOf, write } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

const COMMITTED = { kind: 'committed' } as const;

/** Contexts in one partition, for stores that choose the partition by the part in braces. */
const [a, b, c, d] = ['a{together}', 'b{together}', 'c{together}', 'd{together}'] as const;

/** A law for stores that have batches. */
function batchLaw(
  name: string,
  check: (
    commitBatch: (store: Store, operations: readonly BatchOperation[]) => ReturnType<NonNullable<Store['commitBatch']>>,
  ) => (store: Store, reopen?: () => Promise<Store>) => Promise<void>,
): StoreLaw {
  const commitBatch = (store: Store, operations: readonly BatchOperation[]) => store.commitBatch!(operations);
  return law(name, async ({ store, reopen }) => {
    if (store.commitBatch && !store.cluster?.apart([a, b]).length) await check(commitBatch)(store, reopen);
  });
}

/** All readable state of these contexts. */
async function see(store: Store): Promise<unknown> {
  const ids = [a, b, c, d];
  return plain([
    await Promise.all(ids.map((id) => store.load(id))),
    await Promise.all(ids.map((id) => store.deltas(id, 0, 100))),
    await Promise.all(ids.map((id) => store.recall(id, 'r'))),
    await store.list('', undefined, 100),
    await Promise.all((['expiry', 'idle', 'age', 'length'] as const).map((index) => store.due(index, 9_000, 100))),
  ]);
}

export const batches: readonly StoreLaw[] = [
  batchLaw('8. a batch writes, removes and checks as one', (commitBatch) => async (store, reopen) => {
    await write(store, a, 2);
    await write(store, b, 3);
    await write(store, d, 1);
    const ofA = commitOf(a, positionAt(2), { snapshot: Buffer.from('three'), expiry: { at: 9, ttl: 9 } });
    const ofC = commitOf(c, null);
    const outcome = await commitBatch(store, [
      ofA,
      { id: b, expected: positionAt(3), reason: 'deleted' },
      ofC,
      { id: d, expected: positionAt(1) },
      { id: 'e{together}', expected: null },
    ]);
    deepEqual(outcome, COMMITTED);
    deepEqual(await store.head(a), ofA.head);
    equal(await store.head(b), null);
    deepEqual(plain(await store.load(c)), plain({ head: ofC.head, records: [recordOf(ofC)] }));
    equal((await store.head(d))?.position.version, 1);
    equal(await store.head('e{together}'), null);
    if (!reopen) return;
    const before = await see(store);
    deepEqual(await see(await reopen()), before);
  }),

  batchLaw('8. where one operation does not fit, no part of the batch happens', (commitBatch) => async (store) => {
    await write(store, a, 2);
    await write(store, b, 2);
    const head = await store.head(b);
    const before = await see(store);
    const first = commitOf(a, positionAt(2), { request: requestOf('r') });
    const wrong: readonly (readonly [BatchOperation, unknown])[] = [
      [commitOf(b, positionAt(1)), head],
      [commitOf(b, null), head],
      [commitOf(c, positionAt(1)), null],
      [{ id: b, expected: positionAt(2, 'another'), reason: 'deleted' }, head],
      [{ id: b, expected: positionAt(2), reason: 'expired', usedAt: 5 }, head],
      [{ id: b, expected: null, reason: 'deleted' }, head],
      [{ id: b, expected: positionAt(1) }, head],
      [{ id: b, expected: null }, head],
      [{ id: c, expected: positionAt(1) }, null],
    ];
    for (const [act, found] of wrong) {
      const conflict = { kind: 'conflict', heads: new Map([[act.id, found]]) };
      deepEqual(await commitBatch(store, [first, act, commitOf(d, null)]), conflict);
      deepEqual(await commitBatch(store, [act, commitOf(d, null), first]), conflict);
      deepEqual(await see(store), before);
    }
    const both = await commitBatch(store, [commitOf(c, positionAt(1)), commitOf(a, positionAt(1))]);
    deepEqual(both, {
      kind: 'conflict',
      heads: new Map([
        [c, null],
        [a, await store.head(a)],
      ]),
    });
  }),

  batchLaw('8. a batch with a request id happens once', (commitBatch) => async (store) => {
    const group = [commitOf(a, null, { request: requestOf('r') }), commitOf(b, null)];
    const duplicate = plain({ kind: 'duplicate', first: requestOf('r') });
    const outcomes = await Promise.all([commitBatch(store, group), commitBatch(store, group)]);
    deepEqual(plain(outcomes), plain([COMMITTED, duplicate]));
    const later = [commitOf(c, null), commitOf(a, positionAt(1), { request: requestOf('r') })];
    deepEqual(plain(await commitBatch(store, later)), duplicate, 'whatever the positions of the contexts');
    equal(await store.head(c), null);
    deepEqual(plain(await store.commit(commitOf(a, positionAt(1), { request: requestOf('r') }))), duplicate);
  }),

  batchLaw('3. and 8. batches and single commits may be pipelined', (commitBatch) => async (store) => {
    const outcomes = await Promise.all(
      range(100).flatMap((i) => {
        const at = (version: number) => (version === 0 ? null : positionAt(version));
        // In the middle, one batch fails by its second operation, and so do all commits that depend on it.
        const other = commitOf(b, i === 60 ? positionAt(999) : at(i), { payload: numbered(i) });
        return [commitBatch(store, [commitOf(a, at(2 * i)), other]), store.commit(commitOf(a, at(2 * i + 1)))];
      }),
    );
    deepEqual(
      outcomes.map(({ kind }) => kind),
      range(200).map((i) => (i < 120 ? 'committed' : 'conflict')),
    );
    equal((await store.head(a))?.position.version, 120);
    equal((await store.head(b))?.position.version, 60);
    const removed = await Promise.all([
      commitBatch(store, [
        { id: a, expected: positionAt(120), reason: 'deleted' },
        { id: b, expected: positionAt(60), reason: 'deleted' },
      ]),
      commitBatch(store, [commitOf(a, null, { epoch: 'second' }), { id: b, expected: null }]),
      store.commit(commitOf(b, null, { epoch: 'second' })),
    ]);
    deepEqual(removed, [COMMITTED, COMMITTED, COMMITTED]);
    equal((await store.load(a))?.records.length, 1);
  }),

  batchLaw('8. contexts in different partitions are refused, and nothing happens', (commitBatch) => async (store) => {
    const others = range(20).map((i) => `elsewhere ${i}`);
    const apart = store.cluster?.apart([a, ...others]) ?? [];
    for (const id of apart) {
      const error = await commitBatch(store, [commitOf(a, null), commitOf(id, null)]).catch(({ reason }) => reason);
      equal(error, 'FAILED_PRECONDITION');
      equal(await store.head(id), null);
    }
    equal(await store.head(a), null);
    equal(apart.includes(a), false);
  }),
  batchLaw(
    '8. the removal of a missing context changes nothing: a commit that was sent behind it succeeds',
    (commitBatch) => async (store) => {
      await write(store, a, 1);
      const removal = commitBatch(store, [{ id: a, expected: positionAt(1), reason: 'deleted' }]);
      const ofNothing = commitBatch(store, [{ id: a, expected: null, reason: 'deleted' }, commitOf(b, null)]);
      const creation = store.commit(commitOf(a, null));
      deepEqual(await Promise.all([removal, ofNothing, creation]), [COMMITTED, COMMITTED, COMMITTED]);
    },
  ),
];
