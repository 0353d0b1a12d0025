/** Disks that fill up, directories that cannot be used, files that are damaged: refused clearly, with nothing lost. */
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openLmdb } from '../../src/store/lmdb/store.js';
import { makeReadOnly, mountTmpfs, temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, refused, serve, watch } from '../support/chord.js';
import { chord, startServer } from '../support/cli.js';

const MIB = 2 ** 20;
const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const LISTEN = ['--listen', '127.0.0.1:0'];

test('with the disk nearly full writes are refused but for removals, reads and watches go on, and with space writes do', async (t) => {
  let free = 1_000 * MIB;
  let now = 1_000_000;
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory, minFreeBytes: 100 * MIB, freeBytes: async () => free });
  const { address } = await serve(t, { store, clock: () => now, logLevel: 'silent' });
  const peer = connect(t, address);
  const { position } = await peer.set({ contextId: 'a', value: { n: 1, ballast: 'b'.repeat(200) } });
  await peer.set({ contextId: 'c', value: {} });
  await peer.set({ contextId: 'b', value: {}, ttl: { seconds: 1, nanos: 0 } });
  const reader = watch(t, peer, { id: 'a' });
  await reader.caughtUp();

  free = 99 * MIB;
  await new Promise<void>((resolve) => store.onHealth(() => resolve()));
  const writes = () => [
    peer.set({ contextId: 'a', value: { n: 2 } }),
    peer.set({ contextId: 'new', value: {} }),
    peer.update({ contextId: 'a', changes: { n: 2 } }),
    peer.touch({ contextId: 'a', ttl: { seconds: 1, nanos: 0 } }),
    peer.update({ contextId: 'a', changes: { n: 2 }, requestId: 'r' }),
  ];
  for (const write of [...writes(), ...writes()]) {
    const found = await refused(write);
    t.like(found, { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
    t.regex(found.message, /disk nearly full/);
  }
  await peer.delete({ contextId: 'c' });
  // What changes nothing stores nothing.
  t.false((await peer.update({ contextId: 'a', changes: { n: 1 } })).changed);
  t.is((await peer.document('a')).n, 1);
  t.is((await refused(peer.get({ contextId: 'new' }))).code, NOT_FOUND);
  t.deepEqual(
    (await peer.list({})).contexts.map(({ contextId }) => contextId),
    ['a', 'b'],
  );
  t.is((await peer.history('a')).deltas.length, 1);
  const late = watch(t, peer, { id: 'a' }, new Map([['a', position!]]));
  late.copies.set('a', reader.copies.get('a')!);
  await late.caughtUp();
  t.deepEqual(late.log, ['caughtUp']);
  now += 1_000;
  t.is((await refused(peer.get({ contextId: 'b' }))).code, NOT_FOUND, 'expired');
  t.is((await refused(peer.sync({ contextId: 'b' }))).code, NOT_FOUND);

  free = 1_000 * MIB;
  await new Promise<void>((resolve) => store.onHealth(() => resolve()));
  const again = await peer.update({ contextId: 'a', changes: { n: 2 }, requestId: 'r' });
  t.deepEqual([again.changed, again.position!.version], [true, 2]);
  await Promise.all([reader.at('a', again.position), late.at('a', again.position)]);
  t.deepEqual(reader.log, ['full INITIAL a', 'caughtUp', 'delta a 1-2']);
});

test('on a real disk that fills up nothing acknowledged is lost, and the server stays', async (t) => {
  const disk = await mountTmpfs(t, 'size=48m');
  if (disk === null) {
    t.pass();
    return;
  }
  const args = [...LISTEN, '--data-dir', join(disk, 'data'), '--min-free-bytes', '16MiB'];
  const server = await startServer(...args);
  t.teardown(() => server.end('SIGKILL'));
  const peer = connect(t, server.address);
  const kept: string[] = [];
  const fill = async (from: number): Promise<void> => {
    for (let n = from; ; n += 8) {
      const contextId = `c${n}`;
      try {
        await peer.set({ contextId, value: { text: `${n} `.repeat(20_000) } });
      } catch (error) {
        t.is((error as { code: number }).code, RESOURCE_EXHAUSTED, String(error));
        return;
      }
      kept.push(contextId);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, from) => fill(from)));
  t.true(kept.length > 10, `${kept.length}`);
  for (const contextId of kept) t.is((await peer.document(contextId)).text, `${contextId.slice(1)} `.repeat(20_000));
  t.is((await server.end('SIGTERM')).code, 0);
  const again = await startServer(...args);
  t.teardown(() => again.end('SIGTERM'));
  const other = connect(t, again.address);
  for (const contextId of kept) t.is((await other.document(contextId)).text, `${contextId.slice(1)} `.repeat(20_000));
});

/** A start that fails: exit code 1, nothing on stdout, one line on stderr. */
async function refusedStart(t: ExecutionContext, directory: string): Promise<string> {
  const { code, stdout, stderr } = await chord(['serve', ...LISTEN, '--data-dir', directory]);
  t.deepEqual({ code, stdout }, { code: 1, stdout: '' }, stderr);
  t.regex(stderr, /^chord: cannot start: [^\n]+\n$/);
  return stderr;
}

test('a second server on the same directory is refused, and the first goes on', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await startServer(...LISTEN, '--data-dir', directory);
  t.teardown(() => first.end('SIGTERM'));
  const peer = connect(t, first.address);
  await peer.set({ contextId: 'a', value: { n: 1 } });
  t.regex(await refusedStart(t, directory), /in use/);
  await peer.set({ contextId: 'a', value: { n: 2 } });
  t.deepEqual(await peer.document('a'), { n: 2 });
});

test('a directory that cannot be written is refused, and what is in it stays', async (t) => {
  const directory = await mountTmpfs(t, 'size=8m');
  if (directory === null) {
    t.pass();
    return;
  }
  await makeReadOnly(directory);
  const said = await refusedStart(t, join(directory, 'data'));
  t.regex(said, /data directory|not writable|read-only/i);
  t.deepEqual(await readdir(directory), []);
});

test('a path that is a file is refused', async (t) => {
  const file = join(await temporaryDirectory(t), 'file');
  await writeFile(file, 'mine');
  await refusedStart(t, file);
  t.is(await readFile(file, 'utf8'), 'mine');
});

test('a truncated data file is refused, and left as it is', async (t) => {
  const directory = await temporaryDirectory(t);
  const server = await startServer(...LISTEN, '--data-dir', directory);
  t.teardown(() => server.end('SIGKILL'));
  const peer = connect(t, server.address);
  for (let n = 0; n < 50; n++) await peer.set({ contextId: `c${n}`, value: { text: 'x'.repeat(10_000) } });
  await server.end('SIGTERM');

  const files = (await readdir(directory)).map((name) => join(directory, name));
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const data = files[sizes.indexOf(Math.max(...sizes))]!;
  const whole = await readFile(data);
  for (const size of [Math.floor(whole.length / 2), 100]) {
    await truncate(data, size);
    await refusedStart(t, directory);
    t.is((await stat(data)).size, size, 'nothing was made of it');
    await writeFile(data, whole);
  }
  const again = await startServer(...LISTEN, '--data-dir', directory);
  t.teardown(() => again.end('SIGTERM'));
  t.is((await connect(t, again.address).list({})).contexts.length, 50);
});
