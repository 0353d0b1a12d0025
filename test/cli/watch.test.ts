/** `chord watch` against a server that comes and goes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server as GrpcServer, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import test from 'ava';
import {
  SyncServiceService,
  type WatchContextsRequest,
  type WatchContextsResponse,
} from '../../src/gen/chord/v1/sync_service.js';
import { chord, Running, startServer } from '../support/cli.js';

/** Makes documents larger than their deltas, which would otherwise give way to them. */
const REST = 'x'.repeat(200);

const memory = ['--backend', 'memory', '--listen', '127.0.0.1:0'];

function writer(address: string) {
  return async (...args: string[]) => {
    const { code, stdout, stderr } = await chord(['--address', address, '--json', ...args]);
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  };
}

test('prints one line for each change until Ctrl-C', async (t) => {
  const server = await startServer(...memory);
  t.teardown(() => server.end('SIGTERM'));
  const write = writer(server.address);
  await write('set', 'room:1', '{"topic":"daily"}');
  const watch = new Running(['watch', 'room:1', 'user:*', '--old-values', '--address', server.address]);
  t.teardown(() => watch.end('SIGKILL'));
  t.is(await watch.line(), 'room:1 1 = {"topic":"daily"}');
  await write('set', 'user:ann', `{"n":1,"rest":"${REST}"}`);
  t.is(await watch.line(), `user:ann 1 = {"n":1,"rest":"${REST}"}`);
  await write('set', 'other:1', '{}');
  await write('update', 'user:ann', '--set', 'x=[1]', '--increment', 'n=1');
  t.deepEqual([await watch.line(), await watch.line()].sort(), ['user:ann 2 + x = [1]', 'user:ann 2 ~ n = 2 (was 1)']);
  await write('delete', 'room:1');
  t.is(await watch.line(), 'room:1 1 deleted');
  t.deepEqual(await watch.end('SIGINT'), { code: 0, stderr: '' });
});

test('with --json prints one object for each event, from the positions that are known', async (t) => {
  const server = await startServer(...memory);
  t.teardown(() => server.end('SIGTERM'));
  const write = writer(server.address);
  const { position: first } = await write('set', 'a=1', `{"n":1,"rest":"${REST}"}`);
  const { position: second } = await write('update', 'a=1', '{"n":2}');
  const known = ['--known', `a=1=${first}`];
  const watch = new Running(['watch', 'a=1', 'none', ...known, '--json', '--address', server.address]);
  t.teardown(() => watch.end('SIGKILL'));
  const opening = [await watch.json(), await watch.json()].sort((a, b) => (String(a.event) < String(b.event) ? -1 : 1));
  t.deepEqual(opening[0], { event: 'absent', contextId: 'none' });
  t.like(opening[1], { event: 'delta', contextId: 'a=1', from: first, to: second });
  t.deepEqual(opening[1]!.changes, [{ action: 'modified', path: ['n'], value: 2 }]);
  t.deepEqual(await watch.json(), { event: 'caughtUp' });
  await write('delete', 'a=1');
  t.deepEqual(await watch.json(), { event: 'deleted', contextId: 'a=1', position: second, reason: 'DELETED' });
  t.deepEqual(await watch.end('SIGTERM'), { code: 0, stderr: '' });
});

test('reconnects with the positions it has when the server comes back', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const before = await startServer('--data-dir', folder, '--listen', '127.0.0.1:0');
  const write = writer(before.address);
  const { position: first } = await write('set', 'room:1', `{"n":1,"rest":"${REST}"}`);
  const watch = new Running(['watch', 'room:1', '--json', '--address', before.address]);
  t.teardown(() => watch.end('SIGKILL'));
  t.like(await watch.json(), { event: 'full', position: first });
  t.like(await watch.json(), { event: 'caughtUp' });
  t.is((await before.end('SIGTERM')).code, 0);
  await watch.said('went away; trying again in');

  const after = await startServer('--data-dir', folder, '--listen', before.address);
  t.teardown(() => after.end('SIGTERM'));
  const { position: second } = await write('update', 'room:1', '{"n":2}');
  // Who comes back before the write has caught up before it.
  let event = await watch.json();
  if (event.event === 'caughtUp') event = await watch.json();
  t.like(event, { event: 'delta', from: first, to: second });
  await watch.said('connected again');
  t.is((await watch.end('SIGINT')).code, 0);
});

test('ends quietly when nobody reads it any more', async (t) => {
  const server = await startServer(...memory);
  t.teardown(() => server.end('SIGTERM'));
  const write = writer(server.address);
  await write('set', 'room:1', '{}');
  const watch = new Running(['watch', 'room:1', '--address', server.address]);
  t.teardown(() => watch.end('SIGKILL'));
  t.is(await watch.line(), 'room:1 1 = {}');
  watch.hangUp();
  await write('set', 'room:1', '{"a":1}');
  t.deepEqual(await watch.end(), { code: 0, stderr: '' });
});

test('fails at once where there is no server, and where the server refuses', async (t) => {
  const nobody = await chord(['watch', 'x', '--address', '127.0.0.1:1']);
  t.is(nobody.code, 1);
  t.regex(nobody.stderr, /^chord: UNAVAILABLE: .+\n$/);
  const server = await startServer(...memory);
  t.teardown(() => server.end('SIGTERM'));
  const refused = await chord(['watch', 'x'.repeat(513), '--address', server.address]);
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^chord: INVALID_ARGUMENT: .+\n$/);
});

test('what a batch has written comes with --json as a group, and the last of it ends the group', async (t) => {
  const server = await startServer(...memory);
  t.teardown(() => server.end('SIGTERM'));
  const watch = new Running(['watch', 'b:*', '--json', '--address', server.address]);
  t.teardown(() => watch.end('SIGKILL'));
  t.deepEqual(await watch.json(), { event: 'caughtUp' });
  const lines = ['ann', 'bob', 'cy'].map((name) => JSON.stringify({ set: `b:${name}`, value: { n: 1 } }));
  t.is((await chord(['batch', '-', '--address', server.address], lines.join('\n'))).code, 0);
  const group = [await watch.json(), await watch.json(), await watch.json()];
  t.deepEqual(
    group.map(({ event, more }) => [event, more]),
    [
      ['full', true],
      ['full', true],
      ['full', undefined],
    ],
  );
});

test('of a batch that breaks off nothing is printed, and nothing counts as known', async (t) => {
  const position = (version: number) => ({ epoch: 'epoch000', version, digest: 'digest00' });
  const full = (contextId: string, more: boolean): WatchContextsResponse => {
    const times = { createdAt: undefined, updatedAt: undefined, expiresAt: undefined };
    const context = { contextId, value: { n: 1 }, position: position(1), ...times };
    return { event: { $case: 'full', value: { context, reason: 1 } }, more };
  };
  const requests: WatchContextsRequest[] = [];
  const server = new GrpcServer();
  server.addService(SyncServiceService, {
    watchContexts: (call: ServerWritableStream<WatchContextsRequest, WatchContextsResponse>) => {
      requests.push(call.request);
      if (requests.length === 1) {
        call.write(full('whole', false));
        call.write(full('torn', true));
        call.emit('error', { code: 14, details: 'away' });
      } else {
        call.write(full('torn', true));
        call.write(full('other', false));
      }
    },
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.teardown(() => server.forceShutdown());
  const watch = new Running(['watch', '*', '--json', '--address', `127.0.0.1:${port}`]);
  t.teardown(() => watch.end('SIGKILL'));
  const seen = [await watch.json(), await watch.json(), await watch.json()];
  t.deepEqual(
    seen.map(({ contextId, more }) => [contextId, more]),
    [
      ['whole', undefined],
      ['torn', true],
      ['other', undefined],
    ],
  );
  t.deepEqual([...requests[1]!.subscriptions[0]!.known.keys()], ['whole']);
});
