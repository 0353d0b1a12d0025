import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { providerLaws, SIGNAL, savedOf } from '../../../src/testing/provider.js';
import { openRemote } from '../../../src/transfer/providers/grpc.js';
import { openProvider } from '../../../src/transfer/providers/open.js';
import { temporaryDirectory } from '../../store/lmdb/directories.js';
import { Authority, HERE } from '../../support/certificates.js';
import { testLaws } from '../../support/laws.js';
import { External } from '../external.js';

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

test('with TLS, only a store that the authorities vouch for is trusted', async (t) => {
  const [ca, stranger] = await Promise.all([Authority.create(), Authority.create('Strange CA')]);
  const external = await External.start(await ca.issue({ names: HERE }));
  t.teardown(() => external.stop());
  const folder = await temporaryDirectory(t);
  const [ours, theirs, none] = ['ours.pem', 'theirs.pem', 'none.pem'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await Promise.all([writeFile(ours, ca.cert), writeFile(theirs, stranger.cert), writeFile(none, 'no certificate')]);
  const open = async (file: string) => {
    const provider = await openProvider(external.url, 60_000, file);
    t.teardown(() => provider.close());
    return provider;
  };
  const provider = await open(ours);
  await provider.save(savedOf('a', '{"n":1}'), SIGNAL);
  t.is(await provider.load('a', SIGNAL), '{"n":1}');
  for (const file of [theirs, '']) {
    const failed = await t.throwsAsync((await open(file)).load('a', SIGNAL), { code: status.UNAVAILABLE as never });
    t.regex(failed!.message, /unable to verify the first certificate/);
  }
  await t.throwsAsync(open(none), { message: /^exportCa: .*none\.pem holds no certificate in PEM form/ });
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
