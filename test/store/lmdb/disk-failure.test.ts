/** A disk that fails: a real server, under which the calls of a commit fail with EIO (failing-disk.c). */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { service as Health } from 'grpc-health-check';
import { connect, refused } from '../../support/chord.js';
import { Running, readyServer, startServer } from '../../support/cli.js';
import { temporaryDirectory } from './directories.js';

const SOURCE = new URL('failing-disk.c', import.meta.url).pathname;
const UNAVAILABLE = 14;

/** Compiles the faults; null, and a line in the log, where that cannot be done. */
function compile(t: ExecutionContext, directory: string): string | null {
  const library = join(directory, 'failing-disk.so');
  try {
    if (process.platform !== 'linux') throw new Error('Linux only');
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], { stdio: 'pipe' });
    return library;
  } catch (error) {
    t.log(`skipped: no faults without gcc: ${(error as Error).message}`);
    return null;
  }
}

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
    const library = compile(t, directory);
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
    t.is((await readFile(log, 'utf8')).split('\n').length - 1, kind === 'meta' ? 2 : 1, 'no call was made again');
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
