import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { providerLaws, SIGNAL, savedOf } from '../../src/testing/provider.js';
import { openRemote } from '../../src/transfer/grpc.js';
import { testLaws } from '../support/laws.js';
import { External } from './external.js';

testLaws(test, 'grpc', providerLaws, async () => {
  const external = await External.start();
  const provider = openRemote(external.url, 60_000);
  return {
    provider,
    reopen: async () => openRemote(external.url, 60_000),
    destroy: async () => {
      await provider.close();
      external.stop();
    },
  };
});

test('position and time are there beside the document', async (t) => {
  const external = await External.start();
  t.teardown(() => external.stop());
  const provider = openRemote(external.url, 60_000);
  t.teardown(() => provider.close());
  await provider.save(savedOf('a', '{}'), SIGNAL);
  const { exportedAt, ...rest } = external.saved.get('a')!;
  t.deepEqual(rest, {
    contextId: 'a',
    position: { epoch: 'epoch001', version: 3, digest: 'digest01' },
    document: '{}',
  });
  t.deepEqual(exportedAt, { seconds: 1_700_000_000, nanos: 123_000_000 });
});

test('one that does not answer fails by its deadline; one that is given up, at once', async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.teardown(() => {
    silent.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = silent.address() as { port: number };
  const hasty = openRemote(`grpc://127.0.0.1:${port}`, 50);
  t.teardown(() => hasty.close());
  await t.throwsAsync(hasty.save(savedOf('a'), SIGNAL), { code: status.DEADLINE_EXCEEDED as never });
  const patient = openRemote(`grpc://127.0.0.1:${port}`, 600_000);
  t.teardown(() => patient.close());
  const controller = new AbortController();
  const waiting = patient.load('a', controller.signal);
  controller.abort();
  await t.throwsAsync(waiting, { code: status.CANCELLED as never });
});

test('wrong answers are errors', async (t) => {
  const external = await External.start();
  t.teardown(() => external.stop());
  const provider = openRemote(external.url, 60_000);
  t.teardown(() => provider.close());
  await provider.save(savedOf('a'), SIGNAL);
  external.saved.set('b', external.saved.get('a')!);
  await t.throwsAsync(provider.load('b', SIGNAL), { message: /another context/ });
});
