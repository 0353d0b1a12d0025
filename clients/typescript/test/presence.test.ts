import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import test from 'ava';
import { type ChordError, Replica } from '../src/index.js';
import { startHolder } from './support/holder.js';
import { connected, startServer } from './support/server.js';

const path = ['members', 'ann'];

test('a presence is renewed, set again where it has gone, and removed', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  const replica = new Replica(client, ['room:1']);
  const failures: ChordError[] = [];
  const onError = (error: ChordError) => void failures.push(error);
  const presence = await client.presence('room:1', path, { n: 1 }, 1000, { onError });
  // Another member outlives two of its times to live.
  await client.update('room:1', { mutations: [{ path: ['timer'], set: true, ttl: 2000 }] });
  await replica.waitFor('room:1', (value) => value !== undefined && 'timer' in value);
  await replica.waitFor('room:1', (value) => value !== undefined && !('timer' in value));
  t.is(replica.position('room:1')?.version, 3);
  t.deepEqual(replica.get('room:1'), { members: { ann: { n: 1 } } });
  await client.update('room:1', { mutations: [{ path, remove: true }] });
  await replica.waitFor('room:1', (value) => JSON.stringify(value) === '{"members":{"ann":{"n":1}}}');
  await presence.set({ n: 2 });
  t.deepEqual((await client.get('room:1')).value, { members: { ann: { n: 2 } } });
  await presence.close();
  await presence.close();
  t.deepEqual((await client.get('room:1')).value, { members: {} });
  t.deepEqual(failures, []);
});

test('the value that is set last is the one that is there, and none after the close', async (t) => {
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let updates = 0;
  const interceptor: Interceptor = (options, next) =>
    new InterceptingCall(next(options), {
      start(metadata, listener, go) {
        if (options.method_definition.path.endsWith('UpdateContext') && ++updates === 2)
          void held.then(() => go(metadata, listener));
        else go(metadata, listener);
      },
    });
  const server = await startServer(t, '--backend', 'memory');
  const client = connected(t, server, { interceptors: [interceptor] });
  const presence = await client.presence('room:1', path, 1, 60_000);
  const writes = [presence.set(2), presence.set(3)];
  // The second would be on its way by now.
  for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  release();
  await Promise.all(writes);
  t.deepEqual((await client.get('room:1')).value, { members: { ann: 3 } });
  await presence.close();
  t.is((await t.throwsAsync<ChordError>(presence.set(4))).reason, 'CANCELLED');
  t.deepEqual((await client.get('room:1')).value, { members: {} });
});

test('closing the client removes its presences; a failure is reported, and the first one thrown', async (t) => {
  const server = await startServer(t);
  const client = connected(t, server);
  const error = await t.throwsAsync<ChordError>(client.presence('room:1', path, 1, 10));
  t.is(error.reason, 'INVALID_ARGUMENT');
  const other = connected(t, server);
  await other.presence('room:1', path, 1, 60_000);
  await other.close();
  t.deepEqual((await client.get('room:1')).value, { members: {} });
  const failures: string[] = [];
  const presence = await client.presence('room:1', path, 1, 1000, { onError: ({ reason }) => failures.push(reason) });
  await server.stop('SIGKILL');
  await presence.close();
  t.deepEqual(failures.slice(-1), ['UNAVAILABLE']);
  await server.start();
});

test('over a killed server a presence is back, and that of a killed holder goes', async (t) => {
  const server = await startServer(t);
  const client = connected(t, server, { retry: { backoffMin: 1, backoffMax: 50 } });
  const replica = new Replica(client, ['room:1']);
  const present = (value: { readonly members?: unknown } | undefined, name: string) =>
    Object.hasOwn((value?.members ?? {}) as object, name);
  await client.presence('room:1', path, 1, 1000, { onError: () => {} });
  const holder = await startHolder(t, server.address, 'room:1', 'bob', 1000);
  await replica.waitFor('room:1', (value) => present(value, 'ann') && present(value, 'bob'));
  holder.kill('SIGKILL');
  await server.stop('SIGKILL');
  await server.start();
  await replica.waitFor('room:1', (room) => present(room, 'ann') && !present(room, 'bob'));
  // Another member outlives two times to live.
  await client.update('room:1', { mutations: [{ path: ['timer'], set: true, ttl: 2000 }] });
  await replica.waitFor('room:1', (room) => room !== undefined && 'timer' in room);
  const room = await replica.waitFor('room:1', (value) => present(value, 'ann') && !('timer' in (value ?? {})));
  t.deepEqual(room, { members: { ann: 1 } });
});
