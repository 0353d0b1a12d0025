/** The examples as parts of a server: from the command line, over sockets, and from code. */
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { serve } from '../support/chord.js';
import { chord, type Server, startServer } from '../support/cli.js';

const START = '2031-05-06T07:08:09Z';
// The examples are told by variables of their own. Whoever else runs in this process does not read them.
process.env.CLOCK_START = START;
process.env.ARCHIVE = await mkdtemp(join(tmpdir(), 'chord-archive-'));
test.after.always(() => rm(process.env.ARCHIVE as string, { recursive: true }));

function pathOf(example: string): string {
  return fileURLToPath(new URL(`../../examples/${example}`, import.meta.url));
}

async function directory(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chord-examples-'));
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

async function start(t: ExecutionContext, example: string, ...args: string[]): Promise<Server> {
  const server = await startServer('--listen', '127.0.0.1:0', '--plugin', pathOf(example), ...args);
  t.teardown(() => server.end('SIGKILL'));
  return server;
}

/** What a command answers. */
async function ask(t: ExecutionContext, { address }: Server, ...args: string[]) {
  const { code, stdout, stderr } = await chord(['--address', address, '--json', ...args]);
  t.is(code, 0, stderr);
  return JSON.parse(stdout);
}

test('store.js: what was answered outlives a kill, and a line that was cut', async (t) => {
  const dataDir = await directory(t);
  const first = await start(t, 'store.js', '--data-dir', dataDir);
  t.regex(first.ready, /the store of .*store\.js/);
  await ask(t, first, 'set', 'room:1', '{"topic":"daily","list":[1]}');
  const { position } = await ask(t, first, 'update', 'room:1', '--append', 'list=2');
  await first.end('SIGKILL');

  const journal = join(dataDir, 'journal.jsonl');
  await appendFile(journal, (await readFile(journal)).subarray(0, 100));
  const second = await start(t, 'store.js', '--data-dir', dataDir);
  const { value, position: found } = await ask(t, second, 'get', 'room:1');
  t.deepEqual(value, { topic: 'daily', list: [1, 2] });
  t.deepEqual(found, position);
  const synced = await ask(t, second, 'sync', 'room:1', '--known', '1');
  t.is(synced.changes?.length, 1, JSON.stringify(synced));
  await ask(t, second, 'update', 'room:1', '{"topic":"weekly"}');
  await second.end('SIGTERM');

  const third = await start(t, 'store.js', '--data-dir', dataDir);
  t.deepEqual((await ask(t, third, 'get', 'room:1')).value, { topic: 'weekly', list: [1, 2] });
});

test('store.js: a journal that is damaged before its end is refused', async (t) => {
  const dataDir = await directory(t);
  const { openJournal } = await import(pathOf('store.js'));
  const before = await serve(t, { store: await openJournal(dataDir) });
  await before.contexts.set('a', { text: 'one' });
  await before.contexts.set('a', { text: 'two' });
  await before.close();
  const journal = join(dataDir, 'journal.jsonl');
  const whole = await readFile(journal, 'utf8');
  await writeFile(journal, whole.replace('"commit"', '"COMMIT"'));
  await t.throwsAsync(() => openJournal(dataDir), { message: 'the journal is damaged at byte 0' });
  const args = ['--listen', '127.0.0.1:0', '--plugin', pathOf('store.js'), '--data-dir', dataDir];
  const { code, stderr } = await chord(['serve', ...args]);
  t.is(code, 1);
  t.is(stderr, 'chord: cannot start: the journal is damaged at byte 0\n');
  await writeFile(journal, whole);
  const after = await serve(t, { store: () => openJournal(dataDir) });
  t.deepEqual((await after.contexts.get('a')).head.position.version, 2);
});

test('external-store.js: exported there, deleted here, restored from there', async (t) => {
  const server = await start(t, 'external-store.js', '--backend', 'memory');
  await ask(t, server, 'set', 'room:1', '{"topic":"daily"}');
  const { position } = await ask(t, server, 'update', 'room:1', '{"topic":"weekly"}');
  await ask(t, server, 'export', 'room:1', '--history');
  t.is((await readdir(process.env.ARCHIVE as string)).length, 1);
  await ask(t, server, 'delete', 'room:1');
  await ask(t, server, 'restore', 'room:1');
  const restored = await ask(t, server, 'get', 'room:1');
  t.deepEqual([restored.value, restored.position], [{ topic: 'weekly' }, position]);
});

test('external-store.js and clock.js from code: what expires is there', async (t) => {
  const { openArchive } = await import(pathOf('external-store.js'));
  const { movableClock } = await import(pathOf('clock.js'));
  const clock = movableClock(Date.parse(START));
  const provider = openArchive(await directory(t));
  const server = await serve(t, { clock, provider, exportOnExpiry: true, cleanupInterval: 0 });
  await server.contexts.set('a', { text: 'mortal' }, { ttl: 60_000 });
  clock.advance(59_999);
  t.is((await server.cleanup.run()).expired, 0);
  t.is(await provider.load('a', new AbortController().signal), null);
  clock.advance(1);
  t.is((await server.cleanup.run()).expired, 1);
  t.regex(await provider.load('a', new AbortController().signal), /"mortal"/);
});

test('clock.js: times are those of the clock', async (t) => {
  const server = await start(t, 'clock.js', '--backend', 'memory');
  await ask(t, server, 'set', 'a', '{}');
  t.is((await ask(t, server, 'get', 'a')).updatedAt.slice(0, 13), START.slice(0, 13));
});
