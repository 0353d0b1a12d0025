/** What lists cost Redis, where many ask at once: as watches of prefixes do when their server has come back. */
import test from 'ava';
import { commitOf, range } from '../../../src/testing/commits.js';
import { openPatiently, REDIS_INSTALLED, RedisServer } from './servers.js';

if (REDIS_INSTALLED) {
  test('lists that are asked for at once share what they can, and each is one call a round', async (t) => {
    const server = await RedisServer.start();
    const store = await openPatiently({ url: server.url });
    t.teardown(async () => {
      await store.close();
      await server.destroy();
    });
    for (const i of range(20)) await store.commit(commitOf(`a${i}`, null));
    const calls = async (command: string) => {
      const stats = await server.admin.info('commandstats');
      return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
    };

    // A list reads the 256 parts of the key space.
    let before = await calls('zrange');
    const pages = await Promise.all(range(500).map(() => store.list('', undefined, 100)));
    t.true(pages.every(({ heads }) => heads.length === 20));
    t.true((await calls('zrange')) - before <= 2 * 256, 'one list for all');

    before = await calls('evalsha');
    await Promise.all(range(100).map((i) => store.list(`b${i}`, undefined, 100)));
    t.true((await calls('evalsha')) - before <= 100);

    // A list that has begun may miss what was written since: what is asked for later is read anew.
    const early = store.list('c', undefined, 100);
    await store.commit(commitOf('c', null));
    const late = await store.list('c', undefined, 100);
    t.deepEqual(
      late.heads.map(({ id }) => id),
      ['c'],
    );
    await early;
  });
} else {
  test.skip('redis-server is not installed: lists on Redis were not tested', () => {});
}
