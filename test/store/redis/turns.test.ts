/** Turns of servers that write one context at the same time, on a real Redis. */
import test from 'ava';
import { Redis } from 'ioredis';
import { RedisKeys } from '../../../src/store/redis/keys.js';
import { commitOf, positionAt, range } from '../../../src/testing/commits.js';
import { openPatiently, REDIS_INSTALLED, RedisServer } from './servers.js';

if (REDIS_INSTALLED) {
  const server = await RedisServer.start();
  test.after.always(() => server.destroy());

  test.serial('during the turn of a server, commits of others conflict; batches and removals do not', async (t) => {
    const [a, b] = [await openPatiently({ url: server.url }), await openPatiently({ url: server.url })];
    const turns = [a, b].map((store) => store.cluster!.turns!);
    await turns[0]!.take('missing');
    t.like(await b.commit(commitOf('missing', null)), { kind: 'committed' }, 'a context that does not exist has none');

    await a.commit(commitOf('x', null));
    await a.commit(commitOf('y', null));
    await turns[0]!.take('x');
    await turns[0]!.take('x');
    t.like(await b.commit(commitOf('x', positionAt(1))), { kind: 'conflict', head: { position: positionAt(1) } });
    t.like(await b.commit(commitOf('y', positionAt(1))), { kind: 'committed' });
    t.like(await a.commit(commitOf('x', positionAt(1))), { kind: 'committed' });
    t.like(await b.commitBatch!([commitOf('x', positionAt(2))]), { kind: 'committed' });
    turns[1]!.end('x');
    t.like(await b.commit(commitOf('x', positionAt(3))), { kind: 'conflict' }, 'it is not the turn of b to end');
    t.like(await b.remove({ id: 'x', expected: positionAt(3), reason: 'deleted' }), { kind: 'committed' });
    t.like(await b.commit(commitOf('x', null)), { kind: 'committed' }, 'the turn went with the context');

    await turns[0]!.take('x');
    const waits = turns[1]!.take('x');
    // The end of a turn follows the commits that were called before it.
    const commits = range(50).map((n) => a.commit(commitOf('x', positionAt(n + 1))));
    turns[0]!.end('x');
    await waits;
    t.true((await Promise.all(commits)).every(({ kind }) => kind === 'committed'));
    t.like(await b.commit(commitOf('x', positionAt(51))), { kind: 'committed' });
    t.like(await a.commit(commitOf('x', positionAt(52))), { kind: 'conflict' });
    // A server that is gone keeps no turn.
    await b.close();
    await turns[0]!.take('x');
    t.like(await a.commit(commitOf('x', positionAt(52))), { kind: 'committed' });
    await a.close();
  });

  test.serial(
    'a turn that a clock set back has made long counts for nothing; with full memory turns are taken',
    async (t) => {
      const [a, b] = [await openPatiently({ url: server.url }), await openPatiently({ url: server.url })];
      const redis = new Redis(server.url);
      await a.commit(commitOf('z', null));
      await redis.hset(
        new RedisKeys('chord:').partitionOf('z').context('z'),
        'turn',
        `other ${Date.now() + 3_600_000}`,
      );
      t.like(await b.commit(commitOf('z', positionAt(1))), { kind: 'committed' });
      await redis.config('SET', 'maxmemory', '1');
      await a.cluster!.turns!.take('z');
      t.like(await b.remove({ id: 'z', expected: positionAt(2), reason: 'deleted' }), { kind: 'committed' });
      await redis.config('SET', 'maxmemory', '0');
      redis.disconnect();
      await Promise.all([a.close(), b.close()]);
    },
  );
} else {
  test.skip('redis-server is not installed: turns on Redis were not tested', () => {});
}
