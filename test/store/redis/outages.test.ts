/** What happens to Chord when something happens to Redis. Each test has a Redis of its own. */
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceError } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { range } from '../../../src/testing/commits.js';
import { Reader, refused } from '../../support/chord.js';
import { until } from '../../support/until.js';
import {
  allBack,
  checkAccount,
  checkReaders,
  Load,
  type Node,
  serveMany,
  UNAVAILABLE,
  watchEverywhere,
} from './load.js';
import { REDIS_INSTALLED, RedisServer } from './servers.js';

const RESOURCE_EXHAUSTED = 8;
const DURABLE = ['--appendonly', 'yes', '--appendfsync', 'always'];
const IDS = ['a', 'b', 'c'];

if (REDIS_INSTALLED) {
  for (const type of ['pubsub', 'normal']) {
    test.serial(`CLIENT KILL TYPE ${type} under load: nothing lost, nothing twice, nobody hears of it`, async (t) => {
      const { server, nodes } = await setUp(t, 3);
      const readers = await watchEverywhere(t, nodes, 'a');
      const load = new Load(nodes, IDS, 12);
      for (const _ of range(10)) {
        await load.more(100);
        await server.admin.client('KILL', 'TYPE', type, 'SKIPME', 'yes');
      }
      await load.more(100);
      await load.stop();
      t.deepEqual([...load.failures], []);
      await checkAccount(t, load, nodes);
      await checkReaders(t, readers, nodes, 'a');
      const resets = /^full (?!INITIAL|DELTA_LARGER)|^deleted|^absent a$/;
      for (const { log } of readers)
        t.deepEqual(
          log.slice(2).filter((line) => resets.test(line)),
          [],
        );
    });
  }

  test.serial('SCRIPT FLUSH under load: nobody hears of it', async (t) => {
    const { server, nodes } = await setUp(t, 2);
    const load = new Load(nodes, IDS, 8);
    for (const _ of range(5)) {
      await load.more(100);
      await server.admin.script('FLUSH');
    }
    await load.more(100);
    await load.stop();
    t.deepEqual([...load.failures], []);
    await checkAccount(t, load, nodes);
  });

  test.serial('Redis stands still and goes on: calls fail in time, watches stay open and catch up', async (t) => {
    const { server, nodes } = await setUp(t, 2);
    const readers = await watchEverywhere(t, nodes, 'a');
    const load = new Load(nodes, IDS, 8);
    await load.more(200);
    server.signal('SIGSTOP');
    await awayIsSaid(t, nodes);
    await delay(1000);
    server.signal('SIGCONT');
    await allBack(nodes);
    await load.more(200);
    await load.stop();
    await checkAccount(t, load, nodes);
    await checkReaders(t, readers, nodes, 'a');
  });

  test.serial('Redis is killed and started again with its data: nothing acknowledged is lost', async (t) => {
    const { server, nodes } = await setUp(t, 2, DURABLE);
    const readers = await watchEverywhere(t, nodes, 'a');
    const load = new Load(nodes, IDS, 8);
    for (const _ of range(3)) {
      await load.more(100);
      await server.end('SIGKILL');
      await awayIsSaid(t, nodes);
      await server.start();
    }
    await allBack(nodes);
    await load.more(100);
    await load.stop();
    await checkAccount(t, load, nodes);
    await checkReaders(t, readers, nodes, 'a');
  });

  test.serial('Redis comes back without its data: watchers are told, and what is new is another life', async (t) => {
    const { server, nodes } = await setUp(t, 2);
    const { peer } = nodes[0]!;
    const { position: known } = await peer.set({ contextId: 'a', value: { n: 1 } });
    const [readers, all] = [await watchEverywhere(t, nodes, 'a'), new Reader(nodes[1]!.peer, { prefix: 'a' })];
    t.teardown(() => all.cancel());
    await all.caughtUp();
    await server.end('SIGKILL');
    await server.start();
    await allBack(nodes);
    for (const reader of [...readers, all]) await reader.until(() => reader.log.includes('deleted DELETED a'));
    await peer.set({ contextId: 'a', value: { n: 2 } });
    const { result } = await nodes[1]!.peer.sync({ contextId: 'a', known });
    t.is(result?.$case === 'full' && result.value.reason, 2, 'EPOCH_CHANGED');
    await checkReaders(t, [...readers, all], nodes, 'a');
  });

  test.serial('Redis comes back with older data: clients ahead or on another line get the document', async (t) => {
    const { server, nodes } = await setUp(t, 2, DURABLE);
    const peers = nodes.map(({ peer }) => peer);
    await peers[0]!.set({ contextId: 'a', value: { n: 0 } });
    await peers[0]!.set({ contextId: 'b', value: { n: 0 } });
    const dump = join(server.directory, 'appendonlydir', 'appendonly.aof.1.incr.aof');
    const older = join(server.directory, 'older.aof');
    await copyFile(dump, older);
    for (const n of range(5)) await peers[n % 2]!.update({ contextId: 'a', changes: { n } });
    for (const n of range(5)) await peers[n % 2]!.update({ contextId: 'b', changes: { n } });
    const [ofA, ofB] = [await watchEverywhere(t, nodes, 'a'), await watchEverywhere(t, nodes, 'b')];
    const known = ofB[0]!.copies.get('b')!.position;

    await server.end('SIGKILL');
    await copyFile(older, dump);
    await server.start();
    await allBack(nodes);
    for (const reader of ofA) await reader.until(() => reader.log.includes('full AHEAD a'));
    await checkReaders(t, ofA, nodes, 'a');

    for (const n of range(5)) await peers[n % 2]!.update({ contextId: 'b', changes: { other: n } });
    const { result } = await peers[0]!.sync({ contextId: 'b', known });
    t.is(result?.$case === 'full' && result.value.reason, 4, 'DIVERGED');
    await checkReaders(t, ofB, nodes, 'b');
    await rm(older);
  });

  test.serial(
    'full memory is RESOURCE_EXHAUSTED; reads and removals work, and writes do again when there is room',
    async (t) => {
      const { server, nodes } = await setUp(t, 2);
      const { peer } = nodes[0]!;
      await peer.set({ contextId: 'a', value: { n: 1 } });
      await server.admin.config('SET', 'maxmemory', '1mb');
      for (const contextId of ['a', 'b']) {
        const refusal = await refused(peer.set({ contextId, value: { n: 2 } }));
        t.like(refusal, { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
      }
      t.deepEqual(await nodes[1]!.peer.document('a'), { n: 1 });
      await peer.delete({ contextId: 'a' });
      await server.admin.config('SET', 'maxmemory', '0');
      await nodes[1]!.peer.set({ contextId: 'a', value: { n: 3 } });
      t.deepEqual(await peer.document('a'), { n: 3 });
    },
  );
} else {
  test.skip('redis-server is not installed: what happens when Redis fails was not tested', () => {});
}

async function setUp(
  t: ExecutionContext,
  count: number,
  options: readonly string[] = [],
): Promise<{ server: RedisServer; nodes: Node[] }> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.destroy());
  return { server, nodes: await serveMany(t, count, server.url, undefined, 2000) };
}

/** Every server says that it does not serve, and refuses at once. */
async function awayIsSaid(t: ExecutionContext, nodes: readonly Node[]): Promise<void> {
  await until(() => nodes.every(({ chord }) => !chord.store.health().serving), 'every server to notice');
  for (const { peer, chord } of nodes) {
    t.is(await healthOf(peer), 2, `${chord.address} is NOT_SERVING`);
    t.like(await refused(peer.get({ contextId: 'a' })), { code: UNAVAILABLE, reason: 'UNAVAILABLE' });
  }
}

/** 1: SERVING, 2: NOT_SERVING. */
function healthOf({ client }: Node['peer']): Promise<number> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      () => Buffer.alloc(0),
      (bytes: Buffer) => bytes[1] ?? 0,
      {},
      (error: ServiceError | null, status?: number) => (error ? reject(error) : resolve(status!)),
    );
  });
}
