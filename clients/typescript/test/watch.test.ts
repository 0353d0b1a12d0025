import { once } from 'node:events';
import test from 'ava';
import { type ChordError, Replica, type ReplicaChange, type Watch, type WatchEvent } from '../src/index.js';
import { connected, startServer } from './support/server.js';

test('leaving the loop ends the watch', async (t) => {
  const client = connected(t, await startServer(t));
  await client.set('room:1', { n: 1 });
  const seen: WatchEvent['type'][] = [];
  const watch = client.watch(['room:1', { prefix: 'user:' }]);
  for await (const event of watch) {
    seen.push(event.type);
    if (event.type === 'caughtUp') break;
  }
  t.deepEqual(seen, ['full', 'caughtUp']);
  t.deepEqual(await watch.next(), { done: true, value: undefined });
});

test('close ends a read that waits; so do the signal and the client', async (t) => {
  const server = await startServer(t);
  const client = connected(t, server);
  const controller = new AbortController();
  const waiting = [client.watch(['a']), client.watch(['a'], { signal: controller.signal }), client.watch(['a'])];
  for (const watch of waiting) {
    t.is((await watch.next()).value?.type, 'absent');
    t.is((await watch.next()).value?.type, 'caughtUp');
  }
  const reads = waiting.map((watch) => watch.next());
  await waiting[0]!.close();
  controller.abort();
  await client.close();
  t.deepEqual(await Promise.all(reads), Array(3).fill({ done: true, value: undefined }));
});

test('a final error is thrown, once', async (t) => {
  const client = connected(t, await startServer(t));
  const watch = client.watch(['']);
  const error = await t.throwsAsync<ChordError>(watch.next());
  t.is(error.reason, 'INVALID_ARGUMENT');
  t.true((await watch.next()).done);
});

test('close ends the wait for a server that is away', async (t) => {
  const server = await startServer(t);
  await server.stop();
  const client = connected(t, server, { retry: { backoffMin: 60_000, backoffMax: 60_000 } });
  let read: Promise<unknown> | undefined;
  let watch: Watch | undefined;
  const reason = await new Promise<string>((resolve) => {
    watch = client.watch(['a'], { onDisconnect: (error) => resolve(error.reason) });
    read = watch.next();
  });
  t.is(reason, 'UNAVAILABLE');
  await watch?.close();
  t.deepEqual(await read, { done: true, value: undefined });
});

test('a copy that a delta did not fit gets the document, from the same watch', async (t) => {
  const client = connected(t, await startServer(t));
  const { position } = await client.set('a', { n: 1 });
  const watch = client.watch(['a']);
  const next = async () => (await watch.next()).value;
  const full = await next();
  t.like(full, { type: 'full', position });
  t.like(await next(), { type: 'caughtUp' });
  watch.resync([full!]);
  t.like(await next(), { type: 'full', position });
  t.like(await next(), { type: 'caughtUp' });
  await watch.close();
});

test('a replica: reads at once, tells of changes, survives the server, and closes', async (t) => {
  const server = await startServer(t);
  const client = connected(t, server);
  await client.set('user:1', { n: 1, rest: 'long enough that a delta is smaller than the document' });
  const replica = new Replica(client, [{ prefix: 'user:' }]);
  t.is(replica.get('user:1'), undefined);
  await replica.ready;
  t.true(replica.live);
  t.deepEqual([...replica.ids()], ['user:1']);
  const before = replica.get('user:1');

  const changed = once(replica, 'change') as Promise<[ReplicaChange]>;
  const { position } = await client.update('user:1', { changes: { n: 2 } });
  const [change] = await changed;
  t.deepEqual(change.changes, [{ action: 'modified', path: ['n'], value: 2 }]);
  t.is(change.value, replica.get('user:1'));
  t.is(before?.n, 1, 'what was read does not change');
  t.deepEqual(replica.position('user:1'), position);

  const gone = once(replica, 'disconnect');
  await server.stop('SIGKILL');
  await gone;
  t.false(replica.live);
  t.is(replica.get('user:1')?.n, 2, 'it answers while the server is away');
  const back = once(replica, 'caughtUp');
  await server.start();
  await back;
  t.true(replica.live);

  await replica.close();
  t.is(replica.get('user:1')?.n, 2);
  t.false(replica.live);
});

test('a listener that throws is reported, and no other is affected', async (t) => {
  const client = connected(t, await startServer(t));
  const replica = new Replica(client, ['a']);
  await replica.ready;
  const fault = new Error('of a listener');
  replica.on('change', () => {
    throw fault;
  });
  const second = once(replica, 'change');
  const told = once(replica, 'error');
  await client.set('a', {});
  await second;
  t.is((await told)[0], fault);
  await replica.close();
});

test('a listener for one change is called once, and removed', async (t) => {
  const client = connected(t, await startServer(t));
  const replica = new Replica(client, ['a']);
  await replica.ready;
  const heard: unknown[] = [];
  replica.once('change', ({ value }) => heard.push(value?.n));
  for (const n of [1, 2]) {
    const changed = once(replica, 'change');
    await client.set('a', { n });
    await changed;
  }
  t.deepEqual(heard, [1]);
  t.is(replica.listenerCount('change'), 0);
  await replica.close();
});

test('a replica that cannot begin says so', async (t) => {
  const client = connected(t, await startServer(t));
  const replica = new Replica(client, ['']);
  await t.throwsAsync(replica.ready, { message: /context_id/ });
  await replica.close();
  const closed = new Replica(client, ['a']);
  await closed.close();
  await t.throwsAsync(closed.ready, { message: /closed/ });
});
