/** A disk that fails: a real server, under which the calls of a commit fail with EIO (failing-disk.c). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import test from 'ava';
import { service as Health } from 'grpc-health-check';
import { connect, refused } from '../../support/chord.js';
import { MAIN, Running, readyServer, startServer } from '../../support/cli.js';
import { temporaryDirectory } from './directories.js';
import { compileFaults } from './failing-disk.js';

const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

/** What health checks answer until the stream ends. */
async function health(client: Client): Promise<string[]> {
  const { path, requestSerialize, responseDeserialize } = Health.Watch!;
  const said: string[] = [];
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
  watch.on('data', ({ status }: { status: string }) => void said.push(status));
  await new Promise<void>((resolve) => watch.on('error', () => resolve()));
  return said;
}

for (const kind of ['sync', 'meta', 'page']) {
  test(`after EIO at a commit (${kind}) nothing is acknowledged, and the server ends with a code of its own`, async (t) => {
    const directory = await temporaryDirectory(t);
    const library = compileFaults(t, directory);
    if (library === null) {
      t.pass();
      return;
    }
    const [data, trigger, log] = ['data', 'trigger', 'log'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    const args = ['serve', '--log-level', 'error', '--listen', '127.0.0.1:0', '--data-dir', data];
    const env = { LD_PRELOAD: library, FAULT_TRIGGER: trigger, FAULT_LOG: log };
    const server = await readyServer(new Running(args, undefined, env));
    t.teardown(() => server.end('SIGKILL'));
    const peer = connect(t, server.address);
    await peer.set({ contextId: 'a', value: { n: 1 } });
    const healthy = health(connect(t, server.address).client);
    await peer.document('a');

    await writeFile(trigger, kind);
    const writes = Array.from({ length: 20 }, (_, i) => refused(peer.set({ contextId: `b${i % 10}`, value: { i } })));
    const { code, stderr } = await server.end();
    for (const { code } of await Promise.all(writes)) t.is(code, UNAVAILABLE);
    // Where a meta page fails, LMDB tries to put the old one back.
    const failed = (await readFile(log, 'utf8')).split('\n').filter((line) => line === kind);
    t.is(failed.length, kind === 'meta' ? 2 : 1, 'no call was made again');
    if (code === 74) {
      t.is(stderr.match(/the store has failed/g)?.length, 1, stderr);
      t.deepEqual(await healthy, ['SERVING', 'NOT_SERVING']);
    } else {
      t.deepEqual(
        [kind, code],
        ['page', null],
        `lmdb itself overruns its heap where it words this one error: ${stderr}`,
      );
    }

    const again = await startServer('--listen', '127.0.0.1:0', '--data-dir', data);
    t.teardown(() => again.end('SIGTERM'));
    const other = connect(t, again.address);
    t.deepEqual(await other.document('a'), { n: 1 });
    t.deepEqual(
      (await other.list({})).contexts.map(({ contextId }) => contextId),
      ['a'],
    );
    await other.set({ contextId: 'a', value: { n: 2 } });
  });
}

test('the names of a new data directory and of its files are durable', async (t) => {
  const directory = await realpath(await temporaryDirectory(t));
  const library = compileFaults(t, directory);
  if (library === null) {
    t.pass();
    return;
  }
  const log = join(directory, 'log');
  const data = join(directory, 'new', 'data');
  const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', data];
  const server = new Running(args, undefined, {
    LD_PRELOAD: library,
    FAULT_TRIGGER: join(directory, 'never'),
    FAULT_LOG: log,
  });
  await readyServer(server);
  await server.end('SIGTERM');
  const synced = (await readFile(log, 'utf8')).split('\n');
  for (const each of [data, join(directory, 'new'), directory]) t.true(synced.includes(each), `${each}: ${synced}`);
});

test('within a limit for the size of files writes are refused before the kernel refuses them', async (t) => {
  if (process.platform !== 'linux') {
    t.log('skipped: Linux only');
    t.pass();
    return;
  }
  const data = join(await temporaryDirectory(t), 'data');
  const args = ['serve', '--listen', '127.0.0.1:0', '--data-dir', data, '--min-free-bytes', '4MiB'];
  const limited = ['-c', 'ulimit -f 20000 && exec "$0" "$@"', process.execPath, MAIN, ...args];
  const child = spawn('sh', limited, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const address = /serving on (\S+) /.exec(String((await once(child.stdout, 'data'))[0]))![1]!;
  const peer = connect(t, address);
  let kept = 0;
  let refusal: { code: number; message: string } | undefined;
  while (!refusal) {
    const set = peer.set({ contextId: `c${kept}`, value: { text: `${kept} `.repeat(30_000) } });
    await set.then(
      () => kept++,
      (error) => {
        refusal = error;
      },
    );
  }
  t.is(refusal.code, RESOURCE_EXHAUSTED, refusal.message);
  t.regex(refusal.message, /ulimit -f/);
  t.true(kept > 10, `${kept}`);
  t.is((await peer.list({ pageSize: 1000 })).contexts.length, kept);
  await peer.delete({ contextId: 'c0' });
  child.kill('SIGTERM');
  t.deepEqual(await exit, [0, null]);
});
