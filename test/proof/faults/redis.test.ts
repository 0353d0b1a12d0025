/** Redis away for long, and servers that are to end meanwhile. PROOF_STOPPED_SECONDS says how long Redis stands still. */
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { checkAccount, checkReaders, Load, serveMany, watchEverywhere } from '../../store/redis/load.js';
import { REDIS_INSTALLED, RedisServer } from '../../store/redis/servers.js';
import { Peer, Reader } from '../../support/chord.js';
import { Running, readyServer } from '../../support/cli.js';
import { until } from '../../support/until.js';

const SECONDS = Number(process.env.PROOF_STOPPED_SECONDS ?? 4);

async function redis(t: ExecutionContext, ...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(options);
  t.teardown(() => server.destroy());
  return server;
}

/** Writes until it is stopped, whatever becomes of the server. */
async function writeOn(peer: Peer, contextId: string, stopped: AbortSignal): Promise<void> {
  for (let n = 0; !stopped.aborted; n++) {
    await peer.set({ contextId, value: { n } }).catch(() => delay(20));
  }
}

if (REDIS_INSTALLED) {
  for (const [state, happens] of [
    ['answers', async () => {}],
    ['stands still', async (server: RedisServer) => server.signal('SIGSTOP')],
    ['is gone', (server: RedisServer) => server.end('SIGKILL')],
    ['refuses writes, its memory full', (server: RedisServer) => server.admin.config('SET', 'maxmemory', '1')],
    [
      'has lost its connections',
      (server: RedisServer) => server.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes'),
    ],
  ] as const) {
    test.serial(`under load a server ends after SIGTERM while Redis ${state}`, async (t) => {
      const server = await redis(t);
      const args = ['serve', '--log-level', 'silent', '--listen', '127.0.0.1:0', '--backend', 'redis'];
      const times = ['--redis-timeout', '1s', '--shutdown-grace', '1s'];
      const chord = await readyServer(new Running([...args, '--redis-url', server.url, ...times]));
      t.teardown(() => chord.end('SIGKILL'));
      const peers = Array.from({ length: 4 }, () => new Peer(chord.address));
      t.teardown(() => {
        for (const { client } of peers) client.close();
      });
      const reader = new Reader(peers[0]!, { prefix: '' });
      await reader.caughtUp();
      const stop = new AbortController();
      t.teardown(() => stop.abort());
      const writing = peers.map((peer, i) => writeOn(peer, `c${i}`, stop.signal));
      await until(() => reader.copies.size === 4);
      await happens(server);
      chord.send('SIGTERM');
      const { code } = await chord.end();
      t.is(code, 0);
      await reader.end();
      stop.abort();
      await Promise.all(writing);
    });
  }

  test.serial(`Redis stands still for ${SECONDS} s: nothing is lost, and watches go on`, async (t) => {
    if (SECONDS > 10) t.timeout(300_000 + 2000 * SECONDS);
    const server = await redis(t, '--appendonly', 'yes', '--appendfsync', 'always');
    const nodes = await serveMany(t, 2, server.url, undefined, 2000);
    const readers = await watchEverywhere(t, nodes, 'a');
    const load = new Load(nodes, ['a', 'b'], 8);
    await load.more(200);
    server.signal('SIGSTOP');
    await delay(1000 * SECONDS);
    server.signal('SIGCONT');
    await until(() => nodes.every(({ chord }) => chord.store.health().serving), 'every server to serve again');
    await load.more(200);
    await load.stop();
    await checkAccount(t, load, nodes);
    await checkReaders(t, readers, nodes, 'a');
  });
} else {
  test.skip('redis-server is not installed: a Redis that is away for long was not tested', () => {});
}
