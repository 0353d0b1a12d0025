/** Cleanup where several servers share a Redis. */
import test from 'ava';
import { connect, serve, watch } from '../../support/chord.js';
import { until } from '../../support/until.js';
import { openPatiently, REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

const HOUR = 3_600_000;

if (REDIS_INSTALLED) {
  const [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  test.after.always(() => Promise.all([server.destroy(), cluster.destroy()]));

  for (const [name, redisUrl] of [
    ['one Redis', server.url],
    ['a cluster', cluster.url],
  ] as const) {
    test.serial(`${name}: what expires reaches the watchers of all servers, once`, async (t) => {
      const options = { backend: 'redis', redisUrl, redisPrefix: 'expiry:' } as const;
      const [a, b] = [await serve(t, options), await serve(t, options)];
      const [near, far] = [connect(t, a.address), connect(t, b.address)];
      const readers = [watch(t, near, { prefix: '' }), watch(t, far, { prefix: '' })];
      await Promise.all(readers.map((reader) => reader.caughtUp()));
      for (let i = 0; i < 20; i++) await near.set({ contextId: `c${i}`, value: { i }, ttl: { seconds: 1, nanos: 0 } });
      for (const reader of readers) {
        const gone = () => reader.log.filter((line) => line.startsWith('deleted EXPIRED')).length;
        await reader.until(() => gone() === 20);
        t.is(gone(), 20);
        t.is(reader.copies.size, 0);
      }
      t.is(a.cleanup.status().totals.expired + b.cleanup.status().totals.expired, 20);
    });

    test.serial(`${name}: what one server renews, the other does not remove`, async (t) => {
      let now = 1_000_000_000_000;
      const settings = { contextAutoDelete: true, contextTtl: HOUR, cleanupInterval: 0, clock: () => now };
      const options = { backend: 'redis', redisUrl, redisPrefix: 'renew:', ...settings } as const;
      const [a, b] = [await serve(t, options), await serve(t, options)];
      for (const [id, ttl] of [
        ['mortal', HOUR],
        ['idle', undefined],
      ] as const) {
        await a.contexts.set(id, { n: 1 }, { ttl });
        await b.contexts.get(id); // so that it is in memory there, as it was
      }
      now += HOUR - 1;
      for (const id of ['mortal', 'idle']) await a.contexts.touch(id);
      now += 2;
      t.like(await b.cleanup.run(), { expired: 0, idle: 0 });
      t.false(await b.contexts.expire('mortal'));
      t.false(await b.contexts.expire('idle', now - HOUR));
      for (const id of ['mortal', 'idle']) t.is((await b.contexts.get(id)).head.position.version, 1);
      now += HOUR;
      const [first, second] = await Promise.all([a.cleanup.run(), b.cleanup.run()]);
      t.is(first.idle + second.idle, 1, 'two sweeps at once do no harm');
      await t.throwsAsync(b.contexts.get('idle'));
      await t.throwsAsync(a.contexts.get('mortal'));
    });

    test.serial(
      `${name}: what calls change of the settings holds for all servers, and beyond their ends`,
      async (t) => {
        const options = { backend: 'redis', redisUrl, redisPrefix: 'settings:' } as const;
        const on = { ...options, cleanupInterval: HOUR, deltaThreshold: 5 };
        const off = { ...options, cleanupInterval: 0, deltaThreshold: 6 };
        const [a, b] = [await serve(t, on), await serve(t, off)];
        t.like(await b.cleanup.current(), { overridden: false, running: false, options: { deltaThreshold: 6 } });
        // Each changes other parts at once: none is lost.
        await Promise.all([
          ...[1, 2, 3].map((n) => a.cleanup.update(undefined, { deltaTtl: n * HOUR })),
          ...[4, 5, 6].map((n) => b.cleanup.update(undefined, { contextTtl: n * HOUR })),
          b.cleanup.start(2 * HOUR, { deltaThreshold: 300 }),
        ]);
        const kept = { overridden: true, running: true, interval: 2 * HOUR };
        for (const { cleanup } of [a, b]) {
          const { options: rules, ...status } = await cleanup.current();
          t.like(status, kept);
          t.is(rules.deltaThreshold, 300);
          t.true(rules.deltaTtl <= 3 * HOUR && rules.contextTtl <= 6 * HOUR, JSON.stringify(rules));
        }
        await t.throwsAsync(a.cleanup.start(), { message: /already started/ });
        await Promise.all([a.close(), b.close()]);

        const later = await serve(t, on);
        t.like(later.cleanup.status(), kept, 'before it serves');
        const increment = { mutations: [{ kind: 'increment' as const, path: ['n'], by: 1 }] };
        const writes = Array.from({ length: 200 }, () => later.contexts.update('a', increment, { allowMissing: true }));
        await Promise.all(writes);
        await later.cleanup.trimmed();
        t.is(
          (await later.contexts.deltas('a', 0, { pageSize: 1000 })).deltas.length,
          200,
          'its own configuration keeps 5',
        );
        const other = await serve(t, off);
        await later.cleanup.stop();
        await until(() => !other.cleanup.status().running);
        t.like(await other.cleanup.update(undefined, {}, true), { overridden: false, running: false });
        await until(() => later.cleanup.status().running);
        t.like(later.cleanup.status(), { overridden: false, interval: HOUR, options: { deltaThreshold: 5 } });
      },
    );

    test.serial(`${name}: a sweep by one server while another one writes`, async (t) => {
      const settings = { deltaThreshold: 5, cleanupInterval: 0 };
      const options = { backend: 'redis', redisUrl, redisPrefix: 'trim:', ...settings } as const;
      const [a, b] = [await serve(t, options), await serve(t, options)];
      const reader = watch(t, connect(t, b.address), { id: 'a' });
      let writing = true;
      const sweeps = (async () => {
        while (writing) await b.cleanup.run();
      })();
      for (let n = 1; n <= 200; n++) await a.contexts.set('a', { n, pad: 'x'.repeat(100) });
      writing = false;
      await sweeps;
      t.is((await b.cleanup.run()).failed, 0);
      const { head } = await b.contexts.get('a');
      t.is(head.position.version, 200);
      await reader.at('a', head.position);
      t.is(reader.copies.get('a')?.value.n, 200);
      t.is((await a.contexts.deltas('a', 0)).deltas.length, 5);
    });
  }

  test.serial('a lease is one server’s until it lets go of it, or dies', async (t) => {
    const [a, b] = [await openPatiently({ url: server.url }), await openPatiently({ url: server.url })];
    t.true(await a.cluster?.lease('x', 60_000));
    t.true(await a.cluster?.lease('x', 300), 'renewed, for less');
    t.false(await b.cluster?.lease('x', 300));
    t.true(await b.cluster?.lease('y', 300));
    await a.close();
    await until(async () => (await b.cluster?.lease('x', 300)) === true, 'the lease of a server that is gone');
    await b.close();
  });
} else {
  test.skip('redis-server is not installed: cleanup on Redis was not tested', () => {});
}
