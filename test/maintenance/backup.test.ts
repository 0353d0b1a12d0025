/** Backups of a store that is written to meanwhile, in this process: of one moment, whole or not there. */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { AdminServiceService } from '../../src/gen/chord/v1/admin_service.js';
import { makeBackup } from '../../src/maintenance/backup.js';
import { type Engine, openChord } from '../../src/server/app.js';
import { Backups } from '../../src/store/lmdb/backup.js';
import { openDatabases } from '../../src/store/lmdb/schema.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import type { Backup, BackupPart } from '../../src/store/store.js';
import { over } from '../contexts/stores.js';
import { mountTmpfs, temporaryDirectory } from '../store/lmdb/directories.js';
import { bytesOf, connect, refused, serve } from '../support/chord.js';
import { filled, tamper, verified } from './directories.js';

const QUIET = { onCopied: () => {}, onVerified: () => {} };
const NEVER = { cleanupInterval: 0, minFreeBytes: 0, clock: () => 1_800_000_000_000 };

/** Every context as it is served, and its history. */
async function contents({ contexts }: Engine): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (let pageToken = ''; ; ) {
    const page = await contexts.list('', { pageSize: 1000, ...(pageToken && { pageToken }) });
    for (const { id, head } of page.heads) {
      const { value } = await contexts.get(id);
      const { deltas } = await contexts.deltas(id, 0);
      found.set(id, { head, value: Buffer.from(value.bytes).toString('base64'), deltas: deltas.map(({ to }) => to) });
    }
    pageToken = page.nextPageToken;
    if (pageToken === '') return found;
  }
}

async function opened(t: ExecutionContext, dataDir: string): Promise<Engine> {
  const chord = await openChord({ dataDir, ...NEVER });
  t.teardown(() => chord.close());
  return chord;
}

test('a backup is of one moment, whatever is written, deleted and trimmed while it is taken', async (t) => {
  const dataDir = await filled(t, 500);
  const chord = await opened(t, dataDir);
  const before = await contents(chord);
  const target = join(await temporaryDirectory(t), 'backup');
  const source = chord.store.backup!();
  let turns = 0;
  const writes = async (): Promise<void> => {
    turns++;
    await chord.contexts.set(`new:${turns}`, { text: 'z'.repeat(50_000) });
    await chord.contexts.update('whole', { changes: { turns } });
    await chord.contexts.delete(`other:${turns}`);
    await chord.contexts.trim('short', 21 + turns);
    await chord.contexts.set('new', { turns }, { requestId: `r${turns}` });
  };
  await writes(); // before the first record is taken
  const result = await makeBackup(target, slowly(source, writes), QUIET);
  t.true(turns > 5);
  t.is(result.contexts, before.size);
  t.deepEqual(await readdir(target), ['data.mdb']);

  const copy = await opened(t, target);
  t.deepEqual(await contents(copy), before);
  const repeated = await copy.contexts.set('new', { n: 1 }, { requestId: 'first' });
  t.is(repeated.position!.version, 1, 'what was remembered of requests, too');
  await copy.contexts.update('whole', { changes: { goes: 'on' } });
  t.is((await copy.contexts.get('whole')).head.position.version, 42);
});

/** The same records, with work between them. */
function slowly(source: Backup, work: () => Promise<void>): Backup {
  const parts = async function* (): AsyncGenerator<BackupPart> {
    for await (const part of source.parts) {
      yield part;
      await work();
    }
  };
  return { ...source, parts: parts() };
}

test('a backup is compact: what was deleted takes no room in it', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const chord = await opened(t, dataDir);
  for (let i = 0; i < 100; i++) await chord.contexts.set(`c${i}`, { text: 'x'.repeat(20_000) });
  for (let i = 0; i < 95; i++) await chord.contexts.delete(`c${i}`);
  const target = join(await temporaryDirectory(t), 'new', 'backup');
  const { bytes } = await makeBackup(target, chord.store.backup!(), QUIET);
  t.is(bytes, (await stat(join(target, 'data.mdb'))).size);
  t.true(bytes < (await stat(join(dataDir, 'data.mdb'))).size / 4);
});

test('only an empty or missing directory is made a backup of', async (t) => {
  const chord = await opened(t, await filled(t, 0));
  const parent = await temporaryDirectory(t);
  const to = (name: string) => makeBackup(join(parent, name), chord.store.backup!(), QUIET);
  await mkdir(join(parent, 'empty'));
  await to('empty');
  await t.throwsAsync(to('empty'), { message: /is not empty: it holds data\.mdb$/ });
  await writeFile(join(parent, 'file'), '');
  await t.throwsAsync(to('file'), { message: /is not a directory$/ });
  const mounted = await mountTmpfs(t, 'size=16m');
  if (mounted) await t.throwsAsync(makeBackup(mounted, chord.store.backup!(), QUIET), { message: /mount point/ });
  t.deepEqual((await readdir(parent)).sort(), ['empty', 'file']);
});

test('records that are missing, strange or out of order make no backup', async (t) => {
  const chord = await opened(t, await filled(t, 50));
  const parent = await temporaryDirectory(t);
  const changed = (change: (parts: BackupPart[]) => BackupPart[]): Backup => {
    const source = chord.store.backup!();
    const parts = async function* () {
      const all: BackupPart[] = [];
      for await (const part of source.parts) all.push(part);
      yield* change(all);
    };
    return { ...source, parts: parts() };
  };
  const of = (source: Backup) => makeBackup(join(parent, 'backup'), source, QUIET);
  await t.throwsAsync(of(changed((parts) => parts.slice(0, -1))), {
    message: /incomplete: \d+ too few records of request-log/,
  });
  await t.throwsAsync(of(changed(([first, ...rest]) => [first!, first!, ...rest])), { message: /ids out of order/ });
  await t.throwsAsync(of(changed(([first]) => [{ ...first!, database: 'what' }])), { message: /records of what/ });
  for (const format of [1, 4]) {
    const message = new RegExp(`format ${format}, this Chord writes 2 to 3`);
    await t.throwsAsync(of({ ...chord.store.backup!(), format }), { message });
  }
  t.deepEqual(await readdir(parent), []);
});

test('a damaged store makes no backup: it is read back before it gets its name', async (t) => {
  const dataDir = await filled(t, 5);
  await tamper(dataDir, (db) => void db.contexts.remove([...db.contexts.getKeys({ start: Buffer.from('whole') })][9]!));
  const chord = await opened(t, dataDir);
  const parent = await temporaryDirectory(t);
  await t.throwsAsync(makeBackup(join(parent, 'backup'), chord.store.backup!(), QUIET), {
    message: /does not verify, and was removed; \d+ problems: whole \d+ version \d+ is missing/,
  });
  t.deepEqual(await readdir(parent), []);
});

test('a disk that is full leaves nothing behind', async (t) => {
  const mounted = await mountTmpfs(t, 'size=20m');
  if (mounted === null) {
    t.pass();
    return;
  }
  const chord = await opened(t, await temporaryDirectory(t));
  await Promise.all(
    Array.from({ length: 300 }, (_, i) =>
      chord.contexts.set(`c${i}`, { text: `${i}`.repeat(50_000).slice(0, 100_000) }),
    ),
  );
  const error = await t.throwsAsync(makeBackup(join(mounted, 'backup'), chord.store.backup!(), QUIET));
  t.like(error, { reason: 'RESOURCE_EXHAUSTED' });
  t.deepEqual(await readdir(mounted), []);
  await chord.contexts.set('goes', { on: true });
});

test('whoever takes no records is cut off, and the store goes on', async (t) => {
  const directory = await filled(t, 3_000);
  const db = await openDatabases({ directory });
  const backups = new Backups(db, 20);
  const parts = backups.begin().parts[Symbol.asyncIterator]();
  t.is((await parts.next()).value.database, 'ids');
  await sleep(100);
  await t.throwsAsync(parts.next(), { message: /^no records of the backup were read for 20 ms$/ });
  await db.env.close();
});

test('a store that is closed ends its backups', async (t) => {
  const directory = await filled(t, 3_000);
  const store = await openLmdb({ directory, minFreeBytes: 0 });
  const [idle, under] = [store.backup!(), store.backup!()];
  const parts = under.parts[Symbol.asyncIterator]();
  await parts.next();
  await store.close();
  await t.throwsAsync(async () => parts.next(), { message: /the store is closed/ });
  await t.throwsAsync(async () => idle.parts[Symbol.asyncIterator]().next(), { message: /the store is closed/ });
  t.deepEqual((await verified(directory)).told, []);
});

test('a client that does not read is sent no more than what fits between', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const inner = await openLmdb({ directory: dataDir, minFreeBytes: 0 });
  let taken = 0;
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const counted = over(inner, {
    backup: (): Backup => {
      const source = inner.backup!();
      const parts = async function* () {
        try {
          for await (const part of source.parts) {
            taken += part.values.reduce((sum, value) => sum + value.length, 0);
            yield part;
          }
        } finally {
          ended();
        }
      };
      return { ...source, parts: parts() };
    },
  });
  const server = await serve(t, { store: counted });
  const peer = connect(t, server.address);
  for (let i = 0; i < 100; i++) await peer.set({ contextId: `c${i}`, value: { text: 'x'.repeat(200_000) } });
  const method = AdminServiceService.backup;
  const stream = peer.client.makeServerStreamRequest(
    method.path,
    (bytes: Buffer) => bytes,
    method.responseDeserialize,
    bytesOf(method, {}),
  );
  stream.on('error', () => {});
  // It reads one message, and then no more.
  await new Promise((resolve) => stream.once('data', resolve));
  stream.pause();
  for (let i = 0; i < 200; i++) await peer.get({ contextId: 'c0' });
  t.true(taken > 0 && taken < 10_000_000, `${taken} bytes were taken of 20 MB`);
  stream.cancel();
  await end; // and a cancelled call lets go of the store
});

test('other backends say what to do instead', async (t) => {
  const server = await serve(t);
  const peer = connect(t, server.address);
  const call = peer.transfer(AdminServiceService.backup as never, {});
  const { code, message } = await refused(call);
  t.is(code, 9);
  t.regex(message, /only a server on lmdb .* persistence of Redis or `chord export`/);
});

test('while a backup is verified the event loop turns, so that a signal ends it', async (t) => {
  const dataDir = await filled(t, 6_000);
  const chord = await opened(t, dataDir);
  const parent = await temporaryDirectory(t);
  let signalled = false;
  const onVerified = (done: number, total: number) => {
    if (signalled) throw new Error(`interrupted at ${done < total ? 'some' : 'all'}`);
    setImmediate(() => {
      signalled = true;
    });
  };
  const backup = makeBackup(join(parent, 'backup'), chord.store.backup!(), { onCopied: () => {}, onVerified });
  await t.throwsAsync(backup, { message: 'interrupted at some' });
  t.deepEqual(await readdir(parent), []);
});
