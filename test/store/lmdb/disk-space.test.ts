/** The LMDB engine on a disk that fills up, and what it does not let others see before it is on the disk. */
import test from 'ava';
import { openLmdb } from '../../../src/store/lmdb/store.js';
import type { StoreHealth } from '../../../src/store/store.js';
import { commitOf, kinds, positionAt, range, write } from '../../../src/testing/commits.js';
import { mountTmpfs, temporaryDirectory } from './directories.js';

const MIB = 1024 * 1024;

/** Resolves at the next change of health. */
function change(store: { onHealth(listener: (health: StoreHealth) => void): void }): Promise<StoreHealth> {
  return new Promise((resolve) => store.onHealth(resolve));
}

test('below the reserve writes are refused but for removals, reads go on, and with space writes do too', async (t) => {
  // The store's own timer does not keep the process alive.
  const alive = setInterval(() => {}, 1_000);
  t.teardown(() => clearInterval(alive));
  let free = 1_000 * MIB;
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory, minFreeBytes: 100 * MIB, freeBytes: async () => BigInt(free) });
  await write(store, 'a', 5, 0, (i) => (i === 2 ? { snapshot: Buffer.from('two') } : {}));
  await write(store, 'b', 1);
  t.deepEqual(store.health(), { serving: true, readOnly: false });

  const full = change(store);
  free = 99 * MIB;
  const health = await full;
  t.like(health, { serving: true, readOnly: true });
  t.deepEqual(store.health(), health);
  t.regex(health.detail!, /disk nearly full: 99 MiB free, 100 MiB are kept in reserve/);
  const writes = [
    () => store.commit(commitOf('a', positionAt(5))),
    () => store.commitBatch!([commitOf('a', positionAt(5)), { id: 'b', expected: positionAt(1), reason: 'deleted' }]),
  ];
  for (const refused of writes) {
    t.like(await t.throwsAsync(refused, { message: /disk nearly full/ }), { reason: 'RESOURCE_EXHAUSTED' });
  }
  t.is(await store.trim('a', 2), 2);
  t.is(await store.forget(1, 1), 0);
  t.is((await store.remove({ id: 'b', expected: positionAt(1), reason: 'deleted' })).kind, 'committed');
  t.is((await store.head('a'))!.position.version, 5);
  t.is((await store.list('', undefined, 10)).heads.length, 1);
  t.deepEqual(await store.due('expiry', 1_000, 10), []);

  const space = change(store);
  free = 100 * MIB;
  t.deepEqual(await space, { serving: true, readOnly: false });
  await write(store, 'a', 6, 5);
  await store.close();
});

test('with half of the reserve gone removals are refused, too', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLmdb({ directory });
  await write(first, 'a', 2);
  await first.close();
  const remove = { id: 'a', expected: positionAt(2), reason: 'deleted' } as const;
  const tight = await openLmdb({ directory, minFreeBytes: 100 * MIB, freeBytes: async () => 50 * MIB - 1 });
  const refusals = [() => tight.remove(remove), () => tight.trim('a', 1), () => tight.forget(1, 1)];
  for (const refused of refusals) {
    t.like(await t.throwsAsync(refused, { message: /disk nearly full/ }), { reason: 'RESOURCE_EXHAUSTED' });
  }
  await tight.close();
  const half = await openLmdb({ directory, minFreeBytes: 100 * MIB, freeBytes: async () => 50 * MIB });
  t.deepEqual(await half.remove(remove), { kind: 'committed' });
  await half.close();
});

test('a store opens read-only on a disk that is nearly full, or that cannot be asked', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLmdb({ directory });
  await write(first, 'a', 2);
  await first.close();
  for (const freeBytes of [async () => 0, () => Promise.reject(new Error('no such device'))]) {
    const store = await openLmdb({ directory, freeBytes });
    t.like(store.health(), { serving: true, readOnly: true });
    t.is((await store.load('a'))!.records.length, 2);
    const error = await t.throwsAsync(write(store, 'a', 3, 2), { message: /nearly full|no such device/ });
    t.like(error, { reason: 'RESOURCE_EXHAUSTED' });
    await store.close();
  }
});

test('what was written is looked at before the second has passed', async (t) => {
  let free = 100 * MIB;
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory, minFreeBytes: 20 * MIB, freeBytes: async () => free });
  const large = () => ({ payload: { changes: Buffer.alloc(MIB), olds: Buffer.alloc(0) } });
  await write(store, 'a', 1, 0, large);
  free = 19 * MIB;
  // At most half of the reserve goes by unseen, and what waits in line behind the look is refused with it.
  const settled = await Promise.allSettled(
    range(50).map((i) => store.commit(commitOf('a', positionAt(i + 1), large()))),
  );
  const committed = settled.filter(({ status }) => status === 'fulfilled').length;
  t.true(committed <= 10, `${committed}`);
  t.is((await store.head('a'))?.position.version, committed + 1);
  t.true(
    settled.slice(committed).every((each) => each.status === 'rejected' && each.reason.reason === 'RESOURCE_EXHAUSTED'),
  );
  await store.close();
});

test('on a real disk that fills up, everything acknowledged is kept', async (t) => {
  const directory = await mountTmpfs(t, 'size=48m');
  if (directory === null) {
    t.pass();
    return;
  }
  const store = await openLmdb({ directory, minFreeBytes: 24 * MIB });
  let version = 0;
  let refusal: unknown;
  while (refusal === undefined && version < 1_000) {
    const payload = { changes: Buffer.alloc(100_000, version), olds: Buffer.alloc(0) };
    const commit = commitOf('a', version === 0 ? null : positionAt(version), { payload });
    await store.commit(commit).then(
      () => {
        version += 1;
      },
      (error) => {
        refusal = error;
      },
    );
  }
  t.like(refusal, { reason: 'RESOURCE_EXHAUSTED' });
  t.true(version > 50, `${version}`);
  t.is((await store.load('a'))!.records.length, version);
  await store.close();
  const again = await openLmdb({ directory, minFreeBytes: 0 });
  t.is((await again.load('a'))!.records.length, version);
  await write(again, 'a', version + 1, version);
  await again.close();
});

for (const [title, minFreeBytes] of [
  ['in the same transaction', 256 * MIB],
  ['behind it in line', 4 * MIB],
] as const) {
  test(`when a commit does find the disk full, what builds upon it ${title} does not happen`, async (t) => {
    const directory = await mountTmpfs(t, 'size=8m');
    if (directory === null) {
      t.pass();
      return;
    }
    const blind = { directory, minFreeBytes, freeBytes: async () => 1_000 * MIB };
    const store = await openLmdb(blind);
    await write(store, 'a', 3);
    const payload = { changes: Buffer.alloc(9 * MIB), olds: Buffer.alloc(0) };
    const [first, ...later] = await Promise.allSettled([
      store.commit(commitOf('a', positionAt(3), { payload })),
      store.commit(commitOf('a', positionAt(4))),
      store.commit(commitOf('a', positionAt(5))),
    ]);
    t.like(first, { status: 'rejected', reason: { reason: 'UNAVAILABLE' } });
    for (const each of later) t.false(each.status === 'fulfilled' && each.value.kind === 'committed');
    t.like(store.health(), { serving: false, failed: true });
    t.like(await t.throwsAsync(store.head('a')), { reason: 'UNAVAILABLE' });
    await store.close();
    const again = await openLmdb(blind);
    t.is((await again.load('a'))!.records.length, 3);
    await write(again, 'a', 5, 3);
    await again.close();
  });
}

test('reads do not see what is not durable yet', async (t) => {
  const store = await openLmdb({ directory: await temporaryDirectory(t) });
  await write(store, 'a', 1);
  const request = { id: 'r', fingerprint: 'f', result: Buffer.alloc(1), at: 1 };
  const committed = store.commit(commitOf('a', positionAt(1), { request }));
  const created = store.commit(commitOf('b', null));
  t.is((await store.head('a'))?.position.version, 1);
  t.is((await store.load('a'))!.records.length, 1);
  t.is(await store.recall('a', 'r'), null);
  t.is((await store.list('', undefined, 10)).heads.length, 1);
  t.deepEqual(kinds(await Promise.all([committed, created])), { committed: 2 });
  t.is((await store.head('a'))?.position.version, 2);
  t.is((await store.list('', undefined, 10)).heads.length, 2);
  await store.close();
});

test('more commits than one transaction takes, in one go', async (t) => {
  const store = await openLmdb({ directory: await temporaryDirectory(t), minFreeBytes: 16 * MIB });
  const small = range(5_000).map((i) => store.commit(commitOf('small', i === 0 ? null : positionAt(i))));
  const payload = { changes: Buffer.alloc(300_000), olds: Buffer.alloc(0) };
  const large = range(40).map((i) => store.commit(commitOf('large', i === 0 ? null : positionAt(i), { payload })));
  t.deepEqual(kinds(await Promise.all([...small, ...large])), { committed: 5_040 });
  t.is((await store.load('small'))!.records.length, 5_000);
  t.is((await store.load('large'))!.records.length, 40);
  await store.close();
});
