/** Members that expire, where two server processes share a Redis: each goes once, whichever of the two removes it. */
import test, { type ExecutionContext } from 'ava';
import { Cause, type Delta } from '../../../src/gen/chord/v1/model.js';
import { range } from '../../../src/testing/commits.js';
import { connect, type Peer, watch } from '../../support/chord.js';
import { startServer } from '../../support/cli.js';
import { until } from '../../support/until.js';
import { REDIS_INSTALLED, RedisServer } from './servers.js';

const MEMBERS = 50;

if (REDIS_INSTALLED) {
  const redis = await RedisServer.start();
  test.after.always(() => redis.destroy());

  test.serial('members of many contexts expire once, and each watcher of each server receives that once', async (t) => {
    const peers = await serveTwo(t, 'contexts:');
    const readers = peers.map((peer) => watch(t, peer, { prefix: '' }));
    await Promise.all(readers.map((reader) => reader.caughtUp()));
    const ids = range(MEMBERS).map((i) => `room:${i}`);
    await Promise.all(ids.map((contextId, i) => set(peers[i % 2]!, contextId, ['members', 'ann'], 1000)));
    const gone = () => readers.every(({ copies }) => ids.every((id) => copies.get(id)?.position.version === 2));
    // Reads race with the sweeps of both servers: a read that meets a member whose time is over removes it.
    await until(async () => {
      await Promise.all(peers.map((peer) => peer.get({ contextId: ids[0]! })));
      return gone();
    });
    for (const contextId of ids) {
      const deltas = await history(peers[0]!, contextId);
      t.deepEqual(
        deltas.map(({ to, provenance }) => [to!.version, provenance?.cause]),
        [
          [1, undefined],
          [2, Cause.EXPIRED],
        ],
      );
      for (const { log, copies } of readers) {
        // A reader that is slower than the member's time gets the document without it at first.
        const [first, ...rest] = log.filter((line) => line.split(' ').includes(contextId));
        t.regex(first!, /^full /);
        t.true(rest.length <= 1, log.join('; '));
        const later = [`delta ${contextId} 1-2`, `full DELTA_LARGER ${contextId}`];
        for (const line of rest) t.true(later.includes(line), line);
        t.deepEqual(copies.get(contextId)?.value, { members: {} });
      }
    }
  });

  test.serial('members of one context expire once, in one version where they are due at once', async (t) => {
    const peers = await serveTwo(t, 'members:');
    const contextId = 'room';
    await peers[0]!.set({ contextId, value: { rest: 'long enough that a delta is smaller: '.repeat(50) } });
    const readers = peers.map((peer) => watch(t, peer, { id: contextId }));
    await Promise.all(readers.map((reader) => reader.caughtUp()));
    await Promise.all(range(MEMBERS).map((i) => set(peers[i % 2]!, contextId, ['members', `m${i}`], 1000 + 20 * i)));
    const left = (peer: Peer) => peer.document(contextId).then(({ members }) => Object.keys(members as object).length);
    await until(async () => (await Promise.all(peers.map(left))).every((count) => count === 0));
    const deltas = await history(peers[1]!, contextId);
    const expired = deltas.filter(({ provenance }) => provenance?.cause === Cause.EXPIRED);
    const removed = expired.flatMap(({ changes }) => changes.map(({ path }) => path[1]!));
    t.deepEqual(
      removed.sort(),
      range(MEMBERS)
        .map((i) => `m${i}`)
        .sort(),
    );
    t.is(deltas.length, 1 + MEMBERS + expired.length, 'and nothing else is written');
    for (const reader of readers) {
      await reader.at(contextId, deltas.at(-1)!.to);
      t.deepEqual(reader.copies.get(contextId)?.value.members, {});
    }
  });

  async function serveTwo(t: ExecutionContext, prefix: string): Promise<Peer[]> {
    const args = ['--listen', '127.0.0.1:0', '--backend', 'redis', '--redis-url', redis.url, '--redis-prefix', prefix];
    const servers = await Promise.all([startServer(...args), startServer(...args)]);
    t.teardown(() => Promise.all(servers.map((server) => server.end('SIGTERM'))));
    return servers.map(({ address }) => connect(t, address));
  }
} else {
  test.skip('redis-server is not installed: members that expire on two servers were not tested', () => {});
}

/** @param ttl milliseconds */
function set(peer: Peer, contextId: string, path: string[], ttl: number) {
  const time = { seconds: Math.floor(ttl / 1000), nanos: (ttl % 1000) * 1e6 };
  const mutations = [{ path, operation: { $case: 'set' as const, value: {} }, ttl: time }];
  return peer.update({ contextId, mutations, allowMissing: true });
}

async function history(peer: Peer, contextId: string): Promise<readonly Delta[]> {
  return (await peer.deltas({ contextId, pageSize: 1000 })).deltas;
}
