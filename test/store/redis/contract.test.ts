/** The store contract on one Redis, and on a cluster of three shards. */
import test from 'ava';
import { storeLaws } from '../../../src/testing/store.js';
import type { StoreSubject } from '../../../src/testing/store-subject.js';
import { testLaws } from '../../support/laws.js';
import { openPatiently, REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

if (REDIS_INSTALLED) {
  const [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  test.after.always(() => Promise.all([server.destroy(), cluster.destroy()]));
  testLaws(test, 'redis', storeLaws, subjects(server.url));
  testLaws(test, 'redis cluster', storeLaws, subjects(cluster.url));
} else {
  test.skip('redis-server is not installed: the Redis store was not tested', () => {});
}

/** Stores that share a server, each with a prefix of its own. */
function subjects(url: string): () => Promise<StoreSubject> {
  let count = 0;
  return async () => {
    const prefix = `test${++count}:`;
    const open = () => openPatiently({ url, prefix });
    let store = await open();
    return {
      store,
      reopen: async () => {
        await store.close();
        store = await open();
        return store;
      },
      destroy: () => store.close(),
    };
  };
}
