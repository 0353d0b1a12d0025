/** `backup` and `verify` as their users run them, of a server that is at work. */
import { watch } from 'node:fs';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openChord } from '../../src/server/app.js';
import { logKey } from '../../src/store/lmdb/keys.js';
import { filled, tamper, verified } from '../maintenance/directories.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Peer } from '../support/chord.js';
import { chord, Running, type Server, startServer } from '../support/cli.js';

/** A directory of some 60 MB, which takes a moment to copy. */
let large: string;

test.before(async () => {
  large = await mkdtemp(join(tmpdir(), 'chord-large-'));
  const engine = await openChord({ dataDir: large, minFreeBytes: 0 });
  const text = 'x'.repeat(100_000);
  await Promise.all(Array.from({ length: 600 }, (_, i) => engine.contexts.set(`large:${i}`, { text })));
  await engine.close();
});

test.after.always(() => rm(large, { recursive: true, force: true }));

async function served(t: ExecutionContext, dataDir: string): Promise<Server> {
  const server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir, '--min-free-bytes', '0');
  t.teardown(() => server.end('SIGKILL'));
  return server;
}

/** A server on a copy of the large directory. */
async function servedLarge(t: ExecutionContext): Promise<Server & { readonly dataDir: string }> {
  const dataDir = join(await temporaryDirectory(t), 'data');
  await cp(large, dataDir, { recursive: true });
  return Object.assign(await served(t, dataDir), { dataDir });
}

/** A backup, at the moment when its first record has come; and where it is to stand. */
async function begun(t: ExecutionContext, server: Server) {
  const parent = await temporaryDirectory(t);
  const names = watch(parent);
  const first = new Promise<void>((resolve) => names.once('change', () => resolve()));
  const backup = new Running(['backup', join(parent, 'backup'), '--address', server.address]);
  await first;
  names.close();
  return { backup, parent };
}

test.serial(
  'of a server that is written to: all that was acknowledged before is in it, each context whole',
  async (t) => {
    const server = await servedLarge(t);
    const peer = new Peer(server.address);
    const acknowledged = new Map<string, number>();
    let stop = false;
    let enough = () => {};
    const busy = new Promise<void>((resolve) => {
      enough = resolve;
    });
    const write = async (id: string): Promise<void> => {
      for (let n = 1; !stop; n++) {
        await peer.update({ contextId: id, changes: { here: n, there: { n } }, allowMissing: true });
        acknowledged.set(id, n);
        if (n === 20) enough();
      }
    };
    const writing = Array.from({ length: 20 }, (_, i) => write(`busy:${i}`));
    await busy;
    const before = new Map(acknowledged);
    const target = join(await temporaryDirectory(t), 'backup');
    const { code, stdout, stderr } = await chord(['backup', target, '--address', server.address, '--json']);
    stop = true;
    await Promise.all(writing);
    t.is(code, 0, stderr);
    t.like(JSON.parse(stdout), { directory: target, contexts: 620 });
    t.true(
      [...acknowledged].some(([id, n]) => n > (before.get(id) ?? 0)),
      'writes went on meanwhile',
    );

    const copy = await served(t, target);
    const reader = new Peer(copy.address);
    for (const [id, n] of before) {
      const { here, there } = (await reader.document(id)) as { here: number; there: { n: number } };
      t.true(here >= n, `${id} is at ${here}, ${n} was acknowledged before`);
      t.is(here, there.n);
    }
    await reader.update({ contextId: 'busy:0', changes: { more: true } });
    for (const each of [peer, reader]) each.client.close();
    t.is((await copy.end('SIGTERM')).code, 0);
    const read = await chord(['verify', target]);
    t.regex(read.stdout, /^read 620 contexts, .* in [\d.]+ MiB: nothing is wrong\n$/);
  },
);

test.serial('a server that is killed meanwhile: no backup, and its data is as good as before', async (t) => {
  const server = await servedLarge(t);
  const { backup, parent } = await begun(t, server);
  await server.end('SIGKILL');
  const { code, stderr } = await backup.end();
  t.is(code, 1, stderr);
  t.regex(stderr, /^chord: UNAVAILABLE: /);
  t.deepEqual(await readdir(parent), []);
  t.deepEqual((await verified(server.dataDir)).told, []);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test.serial(`a backup that is ended by ${signal} leaves nothing, here or there`, async (t) => {
    const server = await servedLarge(t);
    const { backup, parent } = await begun(t, server);
    const { code, stderr } = await backup.end(signal);
    t.is(code, 1);
    t.is(stderr, 'chord: interrupted: there is no backup\n');
    t.deepEqual(await readdir(parent), []);
    t.is((await chord(['backup', join(parent, 'again'), '--address', server.address])).code, 0);
    t.is((await server.end('SIGTERM')).code, 0);
  });
}

test.serial('a server that stops meanwhile ends the backup', async (t) => {
  const server = await servedLarge(t);
  const { backup, parent } = await begun(t, server);
  backup.send('SIGSTOP');
  t.is((await server.end('SIGTERM')).code, 0);
  backup.send('SIGCONT');
  const { code, stderr } = await backup.end();
  t.is(code, 1, stderr);
  t.deepEqual(await readdir(parent), []);
});

test.serial('of a data directory that nobody serves, in words', async (t) => {
  const dataDir = await filled(t, 3);
  const target = join(await temporaryDirectory(t), 'backup');
  const { code, stdout, stderr } = await chord(['backup', target, '--data-dir', dataDir]);
  t.is(code, 0, stderr);
  t.regex(stdout, /: 9 contexts, 70 deltas, 2 snapshots and 2 requests in .*, verified, as of \d{4}-.*\n$/);
  const again = await chord(['backup', target, '--data-dir', dataDir]);
  t.is(again.code, 1);
  t.regex(again.stderr, /is not empty: it holds data\.mdb/);
  const none = await chord(['backup', `${target}2`, '--data-dir', join(dataDir, 'none')]);
  t.regex(none.stderr, /there is no data\.mdb in /);
});

test.serial('a server on memory says what to do instead', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  const parent = await temporaryDirectory(t);
  const { code, stderr } = await chord(['backup', join(parent, 'backup'), '--address', server.address]);
  t.is(code, 1);
  t.regex(stderr, /^chord: FAILED_PRECONDITION: only a server on lmdb/);
  t.deepEqual(await readdir(parent), []);
  await server.end('SIGTERM');
});

test.serial('verify tells what is wrong, in words and as JSON, and fails', async (t) => {
  const dataDir = await filled(t, 3);
  await tamper(dataDir, (db) => void db.contexts.remove(logKey('whole', 9)));
  const words = await chord(['verify', dataDir]);
  t.is(words.code, 1);
  t.regex(words.stdout, /^whole version 9: version 9 is missing\n(.*\n)*read 9 contexts, .*: \d problems?\n$/);
  t.regex(words.stderr, /^chord: .* is damaged: \d problems?.*\n$/);
  const json = await chord(['verify', dataDir, '--json']);
  const lines = json.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.deepEqual(lines[0], { damage: { contextId: 'whole', version: 9, what: 'version 9 is missing' } });
  t.like(lines.at(-1), { directory: dataDir, contexts: 9, damages: lines.length - 1 });
  t.regex(JSON.parse(json.stderr).error.message, /is damaged/);
});

test.serial('verify refuses what is in use', async (t) => {
  const dataDir = await filled(t, 3);
  const server = await served(t, dataDir);
  const { code, stderr } = await chord(['verify', dataDir]);
  t.is(code, 1);
  t.regex(stderr, new RegExp(`is in use by process ${server.pid} `));
});
