/** Several servers on one Redis, and on a cluster, while nothing goes wrong. */
import test, { type ExecutionContext } from 'ava';
import { range } from '../../../src/testing/commits.js';
import { fold, Reader, refused } from '../../support/chord.js';
import { until } from '../../support/until.js';
import { checkReaders, serveMany, watchEverywhere } from './load.js';
import { REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

const ABORTED = 10;

if (REDIS_INSTALLED) {
  const [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  test.after.always(() => Promise.all([server.destroy(), cluster.destroy()]));

  test.serial('one Redis: 1,000 concurrent updates over three servers are all there', (t) =>
    manyUpdates(t, server.url),
  );
  test.serial('a cluster: 1,000 concurrent updates over three servers are all there', (t) =>
    manyUpdates(t, cluster.url),
  );
  test.serial('one Redis: the same change by two servers at once happens twice', (t) => sameChanges(t, server.url));
  test.serial('a cluster: the same change by two servers at once happens twice', (t) => sameChanges(t, cluster.url));
  test.serial('one Redis: watchers of ids and prefixes hear other servers', (t) => crossWatch(t, server.url));
  test.serial('a cluster: watchers of ids and prefixes hear other servers', (t) => crossWatch(t, cluster.url));

  test.serial('an expected position is compared with what other servers wrote', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'expected:');
    const { position } = await a!.peer.set({ contextId: 'a', value: { n: 1 } });
    await b!.peer.set({ contextId: 'a', value: { n: 2 } });
    const expected = { condition: { $case: 'position' as const, value: position! }, checks: [] };
    t.like(await refused(a!.peer.set({ contextId: 'a', value: { n: 3 }, expected })), { code: ABORTED });
    t.deepEqual(await a!.peer.document('a'), { n: 2 });
  });

  test.serial('guarded paths and waits count what other servers wrote', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'guarded:');
    const contextId = 'a';
    const { position: since } = await a!.peer.set({ contextId, value: { n: 0, m: 0 } });
    const until = [{ path: { keys: ['n'] }, test: { $case: 'atLeast' as const, value: 300 } }];
    const waits = [a, b].map((each) => each!.peer.wait({ contextId, until, known: since }));
    const guarded = (key: string, value: number) => {
      const unchanged = { since, paths: [{ keys: [key] }] };
      const expected = { condition: { $case: 'unchanged' as const, value: unchanged }, checks: [] };
      return { contextId, changes: { [key]: value }, expected };
    };
    // More than a server keeps in memory.
    for (const n of range(300)) await b!.peer.update({ contextId, changes: { n: n + 1 } });
    t.is((await a!.peer.update(guarded('m', 1))).position!.version, 302);
    t.like(await refused(a!.peer.update(guarded('n', 1))), { code: ABORTED });
    t.deepEqual(await Promise.all(waits.map(async (wait) => (await wait).heldAt)), [301, 301]);
    const raced = await Promise.allSettled([a, b].map((each, i) => each!.peer.update(guarded('o', i))));
    t.deepEqual(raced.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  test.serial('a request that is repeated at another server is answered as at the first', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'repeat:');
    const request = { contextId: 'a', changes: { n: 1 }, allowMissing: true, requestId: 'r' };
    const first = await a!.peer.update(request);
    t.deepEqual(await b!.peer.update(request), first);
    t.is((await b!.peer.get({ contextId: 'a' })).context!.position!.version, 1);
  });

  test.serial('what one server deleted and created again is another life for the other', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'life:');
    await a!.peer.set({ contextId: 'a', value: { n: 1 } });
    const reader = new Reader(b!.peer, { id: 'a' });
    t.teardown(() => reader.cancel());
    await reader.caughtUp();
    const known = reader.copies.get('a')!.position;
    await a!.peer.delete({ contextId: 'a' });
    await reader.until(() => !reader.copies.has('a'));
    const { position } = await a!.peer.set({ contextId: 'a', value: { n: 2 } });
    await reader.at('a', position);
    const { result } = await b!.peer.sync({ contextId: 'a', known });
    t.is(result?.$case, 'full');
  });

  test.serial('a subscription ends with its last watcher', async (t) => {
    const [a] = await serveMany(t, 1, server.url, 'last:');
    const channels = () => server.admin.pubsub('SHARDCHANNELS', 'last:*') as Promise<string[]>;
    const readers = [new Reader(a!.peer, { id: 'x' }), new Reader(a!.peer, { id: 'x' })];
    await Promise.all(readers.map((reader) => reader.caughtUp()));
    t.is((await channels()).length, 1);
    const all = new Reader(a!.peer, { prefix: '' });
    await all.caughtUp();
    t.is((await channels()).length, 257);
    all.cancel();
    await until(async () => (await channels()).length === 1);
    readers[0]!.cancel();
    await a!.peer.set({ contextId: 'x', value: {} });
    await readers[1]!.until(() => readers[1]!.copies.has('x'));
    t.is((await channels()).length, 1);
    readers[1]!.cancel();
    await until(async () => (await channels()).length === 0);
  });
} else {
  test.skip('redis-server is not installed: servers that share a Redis were not tested', () => {});
}

async function manyUpdates(t: ExecutionContext, url: string): Promise<void> {
  const nodes = await serveMany(t, 3, url, 'updates:');
  await nodes[0]!.peer.set({ contextId: 'a', value: {} });
  const readers = await watchEverywhere(t, nodes, 'a');
  const answers = await Promise.all(
    range(1000).map((i) =>
      nodes[i % 3]!.peer.update({ contextId: 'a', changes: { [`f${i % 50}`]: { [`w${Math.floor(i / 50)}`]: i } } }),
    ),
  );
  const versions = answers.map(({ position }) => position!.version).sort((x, y) => x - y);
  t.deepEqual(
    versions,
    range(1000).map((i) => i + 2),
  );
  const expected = range(50).map((f) => [`f${f}`, Object.fromEntries(range(20).map((w) => [`w${w}`, w * 50 + f]))]);
  for (const { peer } of nodes) t.deepEqual(await peer.document('a'), Object.fromEntries(expected));
  const { deltas } = await nodes[1]!.peer.history('a');
  t.deepEqual(fold(deltas).value, Object.fromEntries(expected));
  await checkReaders(t, readers, nodes, 'a');
}

/** Equal changes from one position make equal digests: only one of two may take the other's for its own. */
async function sameChanges(t: ExecutionContext, url: string): Promise<void> {
  const nodes = await serveMany(t, 2, url, 'same:');
  await nodes[0]!.peer.set({ contextId: 'a', value: { n: 0 } });
  await nodes[1]!.peer.document('a');
  const mutations = [{ path: ['n'], operation: { $case: 'increment' as const, value: 1 } }];
  const answers = await Promise.all(
    range(600).map((i) => nodes[i % 2]!.peer.update({ contextId: 'a', mutations, returning: withContext })),
  );
  t.deepEqual(await nodes[0]!.peer.document('a'), { n: 600 });
  const sums = answers.map(({ context }) => (context!.value as { n: number }).n).sort((x, y) => x - y);
  t.deepEqual(
    sums,
    range(600).map((i) => i + 1),
  );
}

const withContext = { context: true, delta: false, oldValues: false, format: '' };

async function crossWatch(t: ExecutionContext, url: string): Promise<void> {
  const [a, b] = await serveMany(t, 2, url, 'watch:');
  const readers = [new Reader(b!.peer, { prefix: 'user:' }), new Reader(b!.peer, { id: 'user:3' })];
  t.teardown(() => {
    for (const reader of readers) reader.cancel();
  });
  await Promise.all(readers.map((reader) => reader.caughtUp()));
  await Promise.all(range(40).map((i) => a!.peer.set({ contextId: `user:${i}`, value: { n: 0 } })));
  await Promise.all(range(200).map((i) => a!.peer.update({ contextId: `user:${i % 40}`, changes: { n: i } })));
  await a!.peer.set({ contextId: 'other', value: {} });
  await readers[0]!.until(() => range(40).every((i) => readers[0]!.copies.get(`user:${i}`)?.position.version === 6));
  await readers[1]!.until(() => readers[1]!.copies.get('user:3')?.position.version === 6);
  for (const i of range(40)) {
    t.deepEqual(readers[0]!.copies.get(`user:${i}`)!.value, await b!.peer.document(`user:${i}`));
  }
  t.false(readers[0]!.copies.has('other'));
  await a!.peer.delete({ contextId: 'user:3' });
  for (const reader of readers) await reader.until(() => reader.log.includes('deleted DELETED user:3'));
  t.pass();
}
