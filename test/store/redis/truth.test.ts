/** Several servers on one Redis: one clock, batches that each server is told of, heartbeats that are true, lists as of one moment. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { WatchContextsResponse } from '../../../src/gen/chord/v1/sync_service.js';
import type { FeedEvent, Store } from '../../../src/store/store.js';
import { commitOf, positionAt } from '../../../src/testing/commits.js';
import { until } from '../../support/until.js';
import { serveMany } from './load.js';
import { openPatiently, REDIS_INSTALLED, RedisServer } from './servers.js';

const TWO_HOURS = 7_200_000;

if (REDIS_INSTALLED) {
  const server = await RedisServer.start();
  test.after.always(() => server.destroy());
  const open = (prefix: string) => openPatiently({ url: server.url, prefix });

  test.serial('all servers go by the clock of Redis, whatever their own says', async (t) => {
    const { now } = Date;
    const own = now.call(Date);
    Date.now = () => now.call(Date) + TWO_HOURS;
    try {
      const [node] = await serveMany(t, 1, server.url, 'clock:');
      const { contexts, cleanup } = node!.chord;
      const { position } = await contexts.set('a', {}, { ttl: 3_600_000 });
      await cleanup.tick();
      const { head } = await contexts.get('a');
      t.deepEqual(head.position, position);
      t.true(Math.abs(head.updatedAt - own) < 600_000, 'not two hours ahead');
    } finally {
      Date.now = now;
    }
  });

  test.serial('the first batch of a partition is told where a prefix is watched', async (t) => {
    const [a, b] = await Promise.all([open('first:'), open('first:')]);
    const heard = listen(b);
    await b.cluster!.feed.watchPrefix('{r}');
    await a.commitBatch!([commitOf('{r}:1', null), commitOf('{r}:2', null)]);
    await until(() => heard.length > 0);
    t.deepEqual(heard, [{ kind: 'batch', ids: ['{r}:1', '{r}:2'] }]);
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('a batch is told where only one of its contexts is watched, and nothing else', async (t) => {
    const [a, b] = await Promise.all([open('one:'), open('one:')]);
    const heard = listen(b);
    await b.cluster!.feed.watchId('{r}:2');
    await a.commitBatch!([commitOf('{r}:1', null), commitOf('{r}:2', null)]);
    await until(() => heard.length > 0);
    t.deepEqual(heard, [{ kind: 'moved', id: '{r}:2' }]);
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('what was committed before is told when the feed confirms it', async (t) => {
    const [a, b] = await Promise.all([open('confirm:'), open('confirm:')]);
    const heard = listen(b);
    await b.cluster!.feed.watchPrefix('');
    for (let version = 0; version < 50; version++) {
      await a.commit(commitOf('x', version === 0 ? null : positionAt(version)));
      await a.commitBatch!([commitOf(`{y}${version}`, null), commitOf(`{y}${version}'`, null)]);
      await b.cluster!.feed.confirm!();
      t.is(heard.filter(({ kind }) => kind === 'committed').length, version + 1);
      t.is(heard.filter(({ kind }) => kind === 'batch').length, version + 1);
    }
    await server.admin.client('KILL', 'TYPE', 'pubsub');
    await until(
      async () =>
        ((await server.admin.pubsub('SHARDCHANNELS')) as string[]).length === 0 ||
        heard.some(({ kind }) => kind === 'gap'),
    );
    await until(
      () =>
        b.cluster!.feed.confirm!().then(
          () => true,
          () => false,
        ),
      'the feed',
    );
    t.true(
      heard.some(({ kind }) => kind === 'gap'),
      'it confirms nothing between an interruption and its gap',
    );
    await Promise.all([a.close(), b.close()]);
  });

  test.serial('a heartbeat comes after everything that was answered before it was sent', async (t) => {
    const [writer, reader] = await serveMany(t, 2, server.url, 'beats:');
    const subscriptions = [{ target: { $case: 'prefix' as const, value: '' }, known: new Map(), paths: [] }];
    const watch = reader!.peer.watch({ subscriptions, heartbeatInterval: { seconds: 1, nanos: 0 } });
    t.teardown(() => watch.cancel());
    watch.on('error', () => {});
    const now = () => reader!.chord.store.cluster!.clock!();
    /** When each value was answered. */
    const answered: number[] = [];
    let seen = -1;
    let beats = 0;
    watch.on('data', ({ event }: WatchContextsResponse) => {
      // Each write is one version.
      if (event?.$case === 'delta') seen = event.value.to!.version - 1;
      if (event?.$case === 'full') seen = event.value.context!.position!.version - 1;
      if (event?.$case !== 'heartbeat' || !event.value.sentAt) return;
      beats++;
      const at = event.value.sentAt.seconds * 1000 + event.value.sentAt.nanos / 1e6;
      // A millisecond is what two servers' views of one clock may differ by here, and more.
      const owed = answered.findLastIndex((time) => time < at - 20);
      t.true(seen >= owed, `at ${at} all up to ${owed} was promised, and ${seen} had come`);
    });
    for (let n = 0; beats < 4; n++) {
      await writer!.peer.set({ contextId: 'a', value: { n } });
      answered.push(now());
      await turn();
    }
    t.true(answered.length > 10);
  });

  test.serial('a page of documents shows no half of a batch', async (t) => {
    const [writer, reader] = await serveMany(t, 2, server.url, 'page:');
    const ids = Array.from({ length: 10 }, (_, i) => `{p}:${i}`);
    const all = (n: number) =>
      ids.map((contextId) => ({
        write: {
          $case: 'set' as const,
          value: {
            contextId,
            value: { n },
            expected: undefined,
            requestId: '',
            annotations: new Map(),
            ttl: undefined,
            returning: undefined,
          },
        },
      }));
    await writer!.peer.batch({ writes: all(0) });
    let over = false;
    const writing = (async () => {
      for (let n = 1; !over; n++) await writer!.peer.batch({ writes: all(n) });
    })();
    for (let page = 0; page < 15; page++) {
      const { contexts } = await reader!.peer.list({ prefix: '{p}', includeValues: true });
      t.is(contexts.length, ids.length);
      t.is(new Set(contexts.map(({ value }) => (value as { n: number }).n)).size, 1);
    }
    over = true;
    await writing;
  });
} else {
  test.skip('redis-server is not installed: clocks and heartbeats of many servers were not tested', () => {});
}

function listen(store: Store): FeedEvent[] {
  const heard: FeedEvent[] = [];
  store.cluster!.feed.listen((event) => heard.push(event));
  return heard;
}
