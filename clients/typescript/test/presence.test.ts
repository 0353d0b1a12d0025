import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import test from 'ava';
import { type ChordError, Replica } from '../src/index.js';
import { startHolder } from './support/holder.js';
import { connected, startServer } from './support/server.js';
import { catchUncaught } from './support/uncaught.js';

const path = ['members', 'ann'];

/** Each fact comes to hold: on a busy machine a member may also expire before it is renewed, and is then set again. */
test('a presence is renewed, set again where it has gone, and removed', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  const replica = new Replica(client, ['room:1']);
  const becomes = (value: object) =>
    replica.waitFor('room:1', (now) => JSON.stringify(now) === JSON.stringify(value), { timeout: 60_000 });
  const failures: ChordError[] = [];
  const onError = (error: ChordError) => void failures.push(error);
  const presence = await client.presence('room:1', path, { n: 1 }, 1000, { onError });
  const firstEnd = Date.now() + 1000;
  let end = 0;
  while (end <= firstEnd) {
    const { expiries } = await client.get('room:1', { includeExpiries: true });
    end = expiries[0]?.expiresAt.getTime() ?? 0;
  }
  await becomes({ members: { ann: { n: 1 } } });
  await client.update('room:1', { mutations: [{ path, remove: true }] });
  await becomes({ members: { ann: { n: 1 } } });
  await presence.set({ n: 2 });
  await becomes({ members: { ann: { n: 2 } } });
  await presence.close();
  await presence.close();
  await becomes({ members: {} });
  t.deepEqual(
    failures.filter(({ reason }) => reason !== 'DEADLINE_EXCEEDED'),
    [],
  );
});

test.serial('a presence outlives what its onError throws', async (t) => {
  const uncaught = catchUncaught(t);
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  const replica = new Replica(client, ['room:1']);
  const thrown = new Error('of the program');
  let told = () => {};
  const failed = new Promise<void>((resolve) => (told = resolve));
  const onError = () => {
    told();
    throw thrown;
  };
  const presence = await client.presence('room:1', path, 1, 1000, { onError });
  await client.set('room:1', { members: 'not an object' });
  await failed;
  await client.set('room:1', {});
  const back = (value: object | undefined) => JSON.stringify(value) === '{"members":{"ann":1}}';
  await replica.waitFor('room:1', back, { timeout: 60_000 });
  await presence.close();
  t.is(uncaught[0], thrown);
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
  t.true(['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(failures.at(-1)!), failures.at(-1));
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
