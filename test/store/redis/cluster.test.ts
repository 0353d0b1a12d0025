/** What happens to Chord when a Redis Cluster moves slots or loses a master. */
import test from 'ava';
import { RedisKeys } from '../../../src/store/redis/keys.js';
import { range } from '../../../src/testing/commits.js';
import { until } from '../../support/until.js';
import { allBack, checkAccount, checkReaders, Load, serveMany, watchEverywhere } from './load.js';
import { REDIS_INSTALLED, RedisCluster, type RedisServer } from './servers.js';

const IDS = ['a', 'b', 'c', 'd'];

if (REDIS_INSTALLED) {
  test.serial('slots that move under load: nothing lost, nothing twice, nobody hears of it', async (t) => {
    const cluster = await RedisCluster.start();
    t.teardown(() => cluster.destroy());
    const nodes = await serveMany(t, 2, cluster.url, undefined, 2000);
    const readers = await watchEverywhere(t, nodes, 'a');
    const load = new Load(nodes, IDS, 8);
    for (const id of IDS) {
      await load.more(100);
      const { slot } = new RedisKeys('chord:').partitionOf(id);
      const from = await ownerOf(cluster, slot);
      const to = cluster.nodes.find((node) => node !== from) as RedisServer;
      await moveSlot(cluster, slot, from, to);
    }
    await load.more(200);
    await load.stop();
    t.deepEqual([...load.failures], []);
    await checkAccount(t, load, nodes);
    await checkReaders(t, readers, nodes, 'a');

    // The subscription moved too: what comes now is heard without a load's help.
    const { position } = await nodes[1]!.peer.update({ contextId: 'a', changes: { last: true } });
    await readers[0]!.at('a', position);
  });

  test.serial('a master that hands over to its replica: nothing lost', async (t) => {
    const cluster = await RedisCluster.start(1);
    t.teardown(() => cluster.destroy());
    const nodes = await serveMany(t, 2, cluster.url, undefined, 2000);
    const readers = await watchEverywhere(t, nodes, 'a');
    const load = new Load(nodes, IDS, 8);
    await load.more(200);
    const master = await ownerOf(cluster, new RedisKeys('chord:').partitionOf('a').slot);
    const replica = await replicaOf(cluster, master);
    await replica.admin.cluster('FAILOVER');
    await until(async () => (await replica.admin.role())[0] === 'master');
    await load.more(400);
    await load.stop();
    await allBack(nodes);
    await checkAccount(t, load, nodes);
    await checkReaders(t, readers, nodes, 'a');
  });

  test.serial('a master that dies with writes its replica never saw: no client is left on the lost line', async (t) => {
    const cluster = await RedisCluster.start(1);
    t.teardown(() => cluster.destroy());
    const nodes = await serveMany(t, 2, cluster.url, undefined, 2000);
    const [a, b] = nodes.map(({ peer }) => peer);
    await a!.set({ contextId: 'a', value: { n: 0 } });
    const readers = await watchEverywhere(t, nodes, 'a');
    const master = await ownerOf(cluster, new RedisKeys('chord:').partitionOf('a').slot);
    const replica = await replicaOf(cluster, master);

    // The replica stands still: it hears no more of what its master acknowledges.
    await until(async () => (await master.admin.wait(1, 1000)) === 1);
    replica.signal('SIGSTOP');
    const { ids } = new RedisKeys('chord:').partitionOf('a');
    await master.admin.set(`${ids}:fills the way to the replica`, Buffer.alloc(30_000_000));
    for (const n of range(5)) await a!.update({ contextId: 'a', changes: { lost: n } });
    const { position: lost } = (await b!.get({ contextId: 'a' })).context!;
    await Promise.all(readers.map((reader) => reader.at('a', lost)));
    await master.end('SIGKILL');
    replica.signal('SIGCONT');
    await until(async () => (await replica.admin.role())[0] === 'master');
    await allBack(nodes);
    await b!.update({ contextId: 'a', changes: { kept: true } });

    await checkReaders(t, readers, nodes, 'a');
    t.false('lost' in (await a!.document('a')));
    for (const { log } of readers)
      t.true(
        log.some((line) => /^full (AHEAD|DIVERGED) a$/.test(line)),
        String(log),
      );
    const { result } = await a!.sync({ contextId: 'a', known: lost! });
    t.is(result?.$case, 'full');
  });
} else {
  test.skip('redis-server is not installed: a changing Redis Cluster was not tested', () => {});
}

async function ownerOf(cluster: RedisCluster, slot: number): Promise<RedisServer> {
  const ranges = (await cluster.nodes[0]!.admin.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
  const port = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
  return cluster.nodes.find((node) => node.port === port) as RedisServer;
}

async function replicaOf(cluster: RedisCluster, master: RedisServer): Promise<RedisServer> {
  const roles = await Promise.all(cluster.nodes.map(({ admin }) => admin.role()));
  const isReplica = (role: unknown[]) => role[0] === 'slave' && role[2] === master.port;
  return cluster.nodes[roles.findIndex((role) => isReplica(role as unknown[]))] as RedisServer;
}

/** As an administrator would: all keys of the slot, a few at a time, while they are used. */
async function moveSlot(cluster: RedisCluster, slot: number, from: RedisServer, to: RedisServer): Promise<void> {
  const [source, target] = await Promise.all([from, to].map(({ admin }) => admin.cluster('MYID') as Promise<string>));
  await to.admin.cluster('SETSLOT', slot, 'IMPORTING', source!);
  await from.admin.cluster('SETSLOT', slot, 'MIGRATING', target!);
  for (;;) {
    const keys = (await from.admin.cluster('GETKEYSINSLOT', slot, 3)) as string[];
    if (keys.length === 0) break;
    await from.admin.migrate('127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys);
  }
  for (const { admin } of cluster.nodes) await admin.cluster('SETSLOT', slot, 'NODE', target!);
}
