/** A network between servers and Redis that is slow, cuts connections in the middle of replies, or passes nothing. */
import test, { type ExecutionContext } from 'ava';
import { allBack, checkAccount, checkReaders, Load, type Node, watchEverywhere } from '../../store/redis/load.js';
import { REDIS_INSTALLED, RedisServer } from '../../store/redis/servers.js';
import { connect, serve } from '../../support/chord.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { until } from '../../support/until.js';
import { Random } from '../random.js';
import { FULL } from './places.js';

const IDS = ['a', 'b', 'c'];
const WRITES = FULL ? 5000 : 150;
const CUTS = FULL ? 60 : 3;

interface Network {
  readonly proxy: TcpProxy;
  readonly nodes: readonly Node[];
}

/** Two servers behind one proxy. */
async function setUp(t: ExecutionContext, workers: number): Promise<Network> {
  const redis = await RedisServer.start();
  t.teardown(() => redis.destroy());
  const proxy = await TcpProxy.open(redis.port);
  t.teardown(() => proxy.close());
  const redisUrl = `redis://127.0.0.1:${proxy.port}`;
  const options = { backend: 'redis', redisUrl, redisTimeout: 2000, logLevel: 'silent', workers } as const;
  const nodes = await Promise.all(
    [0, 1].map(async () => {
      const chord = await serve(t, options);
      return { chord, peer: connect(t, chord.address) };
    }),
  );
  return { proxy, nodes };
}

async function checkAll(t: ExecutionContext, load: Load, readers: readonly Readers[], nodes: readonly Node[]) {
  await load.stop();
  await checkAccount(t, load, nodes);
  for (const [i, id] of IDS.entries()) await checkReaders(t, readers[i]!, nodes, id);
}

type Readers = Awaited<ReturnType<typeof watchEverywhere>>;

const watchAll = (t: ExecutionContext, nodes: readonly Node[]) =>
  Promise.all(IDS.map((id) => watchEverywhere(t, nodes, id)));

if (REDIS_INSTALLED) {
  for (const workers of FULL ? [0, 2] : [2]) {
    const where = workers > 0 ? ', workers' : '';
    test.serial(`a slow network to Redis: no call fails, no watch misses anything${where}`, async (t) => {
      const { proxy, nodes } = await setUp(t, workers);
      const random = new Random(1);
      const readers = await watchAll(t, nodes);
      proxy.disturbance = { delay: () => random.below(20), cut: () => undefined };
      const load = new Load(nodes, IDS, 24);
      await load.more(WRITES);
      await checkAll(t, load, readers, nodes);
      t.deepEqual([...load.failures], []);
    });

    test.serial(
      `connections to Redis that are cut in the middle of replies lose and repeat nothing${where}`,
      async (t) => {
        const { proxy, nodes } = await setUp(t, workers);
        const random = new Random(2);
        const readers = await watchAll(t, nodes);
        proxy.disturbance = {
          delay: () => random.below(3),
          cut: (length) => (random.chance(0.01) ? random.below(length) : undefined),
        };
        const load = new Load(nodes, IDS, 24);
        while (load.count < WRITES || proxy.cuts < CUTS) await load.more(20);
        proxy.calm();
        await allBack(nodes);
        await load.more(50);
        await checkAll(t, load, readers, nodes);
      },
    );

    test.serial(
      `a network that passes nothing, with connections that stay open: known, and mended${where}`,
      async (t) => {
        const { proxy, nodes } = await setUp(t, workers);
        const readers = await watchAll(t, nodes);
        const load = new Load(nodes, IDS, 12);
        await load.more(100);
        proxy.silence();
        await until(() => nodes.every(({ chord }) => !chord.store.health().serving), 'every server to notice');
        // Connections that are half open at first, then gone: the servers get no sign of it but the silence.
        proxy.cutAll();
        proxy.calm();
        await allBack(nodes);
        await load.more(100);
        await checkAll(t, load, readers, nodes);
      },
    );
  }
} else {
  test.skip('redis-server is not installed: a bad network to Redis was not tested', () => {});
}
