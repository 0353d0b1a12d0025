/** The feed of the Redis store: what it tells, what it keeps to itself, and what it finds without being told. */
import test from 'ava';
import type { FeedEvent, Store } from '../../../src/store/store.js';
import { commitOf, plain, positionAt, recordOf, write } from '../../../src/testing/commits.js';
import { until } from '../../support/until.js';
import { openPatiently, REDIS_INSTALLED, RedisServer } from './servers.js';

if (REDIS_INSTALLED) {
  const server = await RedisServer.start();
  test.after.always(() => server.destroy());

  test.serial('tells commits, removals and restores of other stores, and none of its own', async (t) => {
    const [a, b] = await Promise.all([openPatiently({ url: server.url }), openPatiently({ url: server.url })]);
    const heard = listen(b);
    await b.cluster!.feed.watchId('x');
    await b.cluster!.feed.watchPrefix('p');
    await b.cluster!.feed.watchPrefix('x');
    const [first, second] = await write(a, 'x', 2);
    await write(b, 'x', 3, 2);
    await write(a, 'other', 2);
    await a.commit(commitOf('p1', null, { payload: null, snapshot: Buffer.from('s') }));
    await a.remove({ id: 'x', expected: positionAt(3), reason: 'expired' });
    await until(() => heard.length >= 4);
    t.deepEqual(
      plain(heard),
      plain([
        { kind: 'committed', id: 'x', from: null, record: recordOf(first!) },
        { kind: 'committed', id: 'x', from: positionAt(1), record: recordOf(second!) },
        { kind: 'moved', id: 'p1' },
        { kind: 'removed', id: 'x', reason: 'expired', position: positionAt(3) },
      ]),
    );
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('after a broken subscription there is a gap, and then messages again', async (t) => {
    const [a, b] = await Promise.all([openPatiently({ url: server.url }), openPatiently({ url: server.url })]);
    const heard = listen(b);
    await b.cluster!.feed.watchId('y');
    await server.admin.client('KILL', 'TYPE', 'pubsub');
    await until(() => heard.some(({ kind }) => kind === 'gap'));
    await write(a, 'y', 1);
    await until(() => heard.some(({ kind }) => kind === 'committed'));
    t.pass();
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('what is watched is looked at now and then, even where nothing was heard', async (t) => {
    const store = await openPatiently({ url: server.url, checkInterval: 300 });
    const heard = listen(store);
    await store.cluster!.feed.watchId('z');
    await until(() => heard.some((event) => event.kind === 'moved' && event.id === 'z'));
    t.false(heard.some(({ kind }) => kind === 'gap'));
    await store.cluster!.feed.watchPrefix('');
    await until(() => heard.some(({ kind }) => kind === 'gap'));
    await store.close();
  });

  test.serial('garbage on a channel harms nobody', async (t) => {
    const [a, b] = await Promise.all([openPatiently({ url: server.url }), openPatiently({ url: server.url })]);
    const heard = listen(b);
    await b.cluster!.feed.watchId('g');
    const [channel] = (await server.admin.pubsub('SHARDCHANNELS')) as string[];
    for (const message of ['', '{', '{}\n', 'null\n', '{"id":"g","by":"x","from":null}\nxyz']) {
      await server.admin.spublish(channel!, message);
    }
    await write(a, 'g', 1);
    await until(() => heard.length > 0);
    t.is(heard.length, 1);
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('a subscription that nobody waits for any more comes to nothing', async (t) => {
    const store = await openPatiently({ url: server.url });
    const watched = store.cluster!.feed.watchId('w');
    store.cluster!.feed.unwatchId('w');
    await watched;
    await until(async () => ((await server.admin.pubsub('SHARDCHANNELS')) as string[]).length === 0);
    await store.close();
    await t.throwsAsync(store.cluster!.feed.watchId('w'), { message: /away/ });
  });
} else {
  test.skip('redis-server is not installed: the feed of the Redis store was not tested', () => {});
}

function listen(store: Store): FeedEvent[] {
  const heard: FeedEvent[] = [];
  store.cluster!.feed.listen((event) => heard.push(event));
  return heard;
}
