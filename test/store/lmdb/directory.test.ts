/** What the LMDB engine makes of its data directory: who may open it, and what it refuses to open. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { open } from 'lmdb';
import type { Reason } from '../../../src/model/errors.js';
import { Copy } from '../../../src/store/lmdb/backup-copy.js';
import { formatOf, openDatabases } from '../../../src/store/lmdb/schema.js';
import { openLmdb } from '../../../src/store/lmdb/store.js';
import { commitOf, positionAt, range, write } from '../../../src/testing/commits.js';
import { makeReadOnly, mountTmpfs, temporaryDirectory } from './directories.js';

const BYTES = { keyEncoding: 'binary', encoding: 'binary' } as const;
const HOLDER = new URL('holder.ts', import.meta.url).pathname;

async function refused(t: ExecutionContext, directory: string, reason: Reason, message: RegExp): Promise<void> {
  const error = await t.throwsAsync(openLmdb({ directory }), { message });
  t.like(error, { reason });
}

/** A directory with a closed store of some hundred pages. */
async function filled(t: ExecutionContext): Promise<string> {
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  await write(store, 'a', 500, 0, () => ({ payload: { changes: Buffer.alloc(500, 1), olds: Buffer.alloc(100, 2) } }));
  await store.close();
  return directory;
}

test('a data directory is created for its owner alone', async (t) => {
  const directory = join(await temporaryDirectory(t), 'with', 'dots.in.it');
  await (await openLmdb({ directory })).close();
  t.is((await stat(directory)).mode & 0o777, 0o700);
  t.true((await stat(join(directory, 'data.mdb'))).isFile());
});

test('files are for their owner alone, also where another program made the directory and the files', async (t) => {
  const directory = await filled(t);
  await chmod(directory, 0o755);
  await chmod(join(directory, 'data.mdb'), 0o644);
  await rm(join(directory, 'lock.mdb'));
  await (await openLmdb({ directory })).close();
  for (const name of ['data.mdb', 'lock.mdb', 'LOCK']) {
    t.is((await stat(join(directory, name))).mode & 0o777, 0o600, name);
  }
});

test('an empty data file that no server has used is a new one', async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, 'data.mdb'), '');
  const store = await openLmdb({ directory });
  await write(store, 'a', 1);
  t.is((await store.load('a'))!.records.length, 1);
  await store.close();
});

test('without its file LOCK a directory that is in use is refused all the same', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLmdb({ directory });
  await rm(join(directory, 'LOCK'));
  await refused(t, directory, 'FAILED_PRECONDITION', /in use by another process/);
  await first.close();
  await (await openLmdb({ directory })).close();
});

test('pages that LMDB finds damaged as it opens are DATA_LOSS, with what to do', async (t) => {
  const directory = await filled(t);
  const file = join(directory, 'data.mdb');
  const bytes = await readFile(file);
  const newer = bytes.readBigUInt64LE(24 + 128) > bytes.readBigUInt64LE(4096 + 24 + 128) ? 0 : 4096;
  const root = Number(bytes.readBigUInt64LE(newer + 24 + 72 + 40));
  bytes.writeUInt16LE(0x40, root * 4096 + 18);
  await writeFile(file, bytes);
  await refused(t, directory, 'DATA_LOSS', /MDB_CORRUPTED.*run chord verify/);
});

test('a context that the list knows and whose head is missing is DATA_LOSS, and is not made anew', async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  await write(store, 'lost', 3);
  await write(store, 'sound', 3);
  await store.close();
  const env = open({ path: directory, noSubdir: false, ...BYTES, maxDbs: 8 });
  await env.openDB({ ...BYTES, name: 'contexts' }).remove(Buffer.concat([Buffer.from('lost'), Buffer.from([0, 0xff])]));
  await env.close();
  const again = await openLmdb({ directory });
  const uses = [
    () => again.load('lost'),
    () => again.head('lost'),
    () => again.deltas('lost', 0, 10),
    () => again.commit(commitOf('lost', null)),
    () => again.remove({ id: 'lost', expected: positionAt(3), reason: 'deleted' }),
  ];
  for (const use of uses) {
    t.like(await t.throwsAsync(use, { message: /head of context "lost" is missing/ }), { reason: 'DATA_LOSS' });
  }
  t.is(await again.load('never'), null);
  await write(again, 'sound', 4, 3);
  t.is((await again.due('age', Number.MAX_SAFE_INTEGER, 10)).length, 1, 'upkeep goes on with the others');
  await again.close();
});

test('a second store on the same directory is refused, until the first is closed', async (t) => {
  const directory = await temporaryDirectory(t);
  const first = await openLmdb({ directory });
  await refused(t, directory, 'FAILED_PRECONDITION', new RegExp(`in use by process ${process.pid} on `));
  await refused(t, join(directory, '..', directory.split('/').at(-1)!), 'FAILED_PRECONDITION', /in use/);
  await first.close();
  await (await openLmdb({ directory })).close();
});

for (const [title, path] of [
  ['the flock command', process.env.PATH],
  ['no flock command', '/nonexistent'],
] as const) {
  test(`with ${title}, a lock ends with its process, however that dies`, async (t) => {
    if (process.platform !== 'linux') {
      t.log('skipped: Linux only');
      return;
    }
    const directory = await temporaryDirectory(t);
    const hold = async () => {
      const child = spawn(process.execPath, ['--import=tsx', HOLDER, directory], {
        env: { ...process.env, PATH: path },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let errors = '';
      child.stderr.on('data', (bytes) => {
        errors += bytes;
      });
      const exit = once(child, 'close'); // when all that it said has arrived
      const said = await Promise.race([once(child.stdout, 'data').then(String), exit.then(() => errors)]);
      return { child, exit, said };
    };
    const first = await hold();
    t.is(first.said, 'open\n');
    const second = await hold();
    t.regex(second.said, new RegExp(`in use by process ${first.child.pid} on `));
    first.child.kill('SIGKILL');
    await first.exit;

    const store = await openLmdb({ directory });
    t.is((await store.load('a'))?.records.length, 3);
    await store.close();
    t.regex(await readFile(join(directory, 'LOCK'), 'utf8'), new RegExp(`process ${process.pid} on `));
  });
}

test('a truncated data file is refused, wherever it ends', async (t) => {
  const directory = await filled(t);
  const file = join(directory, 'data.mdb');
  const { size } = await stat(file);
  const whole = await readFile(file);
  for (const length of [0, 100, 4096, 8191, 8192, 20_000, size >> 1, size - 4096, size - 1]) {
    await writeFile(file, whole);
    await truncate(file, length);
    await refused(t, directory, 'DATA_LOSS', /truncated|damaged|is empty, and was not always/);
    t.is((await stat(file)).size, length, 'and is left as it is');
  }
  await writeFile(file, whole);
  const store = await openLmdb({ directory });
  t.is((await store.load('a'))!.records.length, 500);
  await store.close();
});

test('a data file that is shorter than it says, but whole, is opened', async (t) => {
  const directory = await filled(t);
  const file = join(directory, 'data.mdb');
  const bytes = await readFile(file);
  // Pages beyond the end that no record uses, as after a transaction that took and returned them.
  for (const meta of [24, 4096 + 24]) bytes.writeBigUInt64LE(bytes.readBigUInt64LE(meta + 120) + 7n, meta + 120);
  await writeFile(file, bytes);
  const store = await openLmdb({ directory });
  t.is((await store.load('a'))!.records.length, 500);
  await write(store, 'a', 600, 500);
  await store.close();
});

test('garbage in place of the data file is refused', async (t) => {
  for (const garbage of [Buffer.from('not a database'), Buffer.alloc(100_000, 0xa5), Buffer.alloc(100_000)]) {
    const directory = await temporaryDirectory(t);
    await writeFile(join(directory, 'data.mdb'), garbage);
    await refused(t, directory, 'DATA_LOSS', /not an LMDB data file/);
    t.deepEqual(await readFile(join(directory, 'data.mdb')), garbage);
  }
});

test("another program's LMDB database is refused and not written to", async (t) => {
  for (const key of ['something', 'format', 'contexts']) {
    const directory = await temporaryDirectory(t);
    const foreign = open({ path: directory, noSubdir: false, ...BYTES });
    await foreign.put(Buffer.from(key), Buffer.from('"else"'));
    await foreign.close();
    const before = await readFile(join(directory, 'data.mdb'));
    await refused(t, directory, 'FAILED_PRECONDITION', /not Chord's/);
    t.deepEqual(await readFile(join(directory, 'data.mdb')), before);
  }
});

test('data of a newer Chord is refused', async (t) => {
  const directory = await filled(t);
  const env = open({ path: directory, noSubdir: false, ...BYTES });
  await env.put(Buffer.from('format'), Buffer.from(JSON.stringify({ name: 'chord', version: 4 })));
  await env.close();
  await refused(t, directory, 'FAILED_PRECONDITION', /newer Chord \(format 4; this one reads up to 3\)/);
});

test('from the first thinning on the data has a format that an older Chord refuses, and so has a backup of it', async (t) => {
  const formatIn = async (directory: string) => {
    const { env } = await openDatabases({ directory });
    const format = formatOf(env);
    await env.close();
    return format;
  };
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  await write(store, 'a', 3);
  t.is(store.backup!().format, 2);
  t.true(await store.thin!({ id: 'a', merged: [], next: 5000, head: (await store.head('a'))! }));
  const { format } = store.backup!();
  await store.close();
  const copy = await temporaryDirectory(t);
  await (await Copy.begin(copy, { format, counts: new Map() })).close();
  t.deepEqual([await formatIn(directory), await formatIn(copy)], [3, 3]);
});

test('data of an older Chord is refused, and how it can be brought over is said', async (t) => {
  const directory = await filled(t);
  const env = open({ path: directory, noSubdir: false, ...BYTES });
  await env.put(Buffer.from('format'), Buffer.from(JSON.stringify({ name: 'chord', version: 1 })));
  await env.close();
  await refused(t, directory, 'FAILED_PRECONDITION', /older Chord \(format 1; this one reads 2\): export the contexts/);
});

test('a record that is not what was written is DATA_LOSS, and no other record suffers', async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  const ids = ['log', 'heads', 'snapshots', 'missing', 'sound'];
  for (const id of ids) await write(store, id, 4, 0, (i) => (i === 1 ? { snapshot: Buffer.from('two') } : {}));
  await store.close();
  const env = open({ path: directory, noSubdir: false, ...BYTES, maxDbs: 8 });
  const cut = async (database: string, key: Buffer) => {
    const records = env.openDB({ ...BYTES, name: database });
    await records.put(key, Buffer.from(records.getBinary(key)!.subarray(0, -1)));
  };
  const version = (id: string, number: number) => {
    const key = Buffer.from(`${id}\0${' '.repeat(8)}`);
    key.writeDoubleBE(number, key.length - 8);
    return key;
  };
  await cut('contexts', version('log', 4));
  await cut('contexts', Buffer.concat([Buffer.from('heads'), Buffer.from([0, 0xff])]));
  await cut('snapshots', Buffer.from('snapshots'));
  await env.openDB({ ...BYTES, name: 'contexts' }).remove(version('missing', 3));
  await env.close();

  const again = await openLmdb({ directory });
  for (const id of ids.slice(0, 4)) {
    const error = await t.throwsAsync(again.load(id), undefined, id);
    t.like(error, { reason: 'DATA_LOSS' });
    t.true(error!.message.includes(`"${id}"`));
  }
  t.is((await again.load('sound'))!.records.length, 2);
  await write(again, 'sound', 6, 4);
  await again.close();
});

test('a directory that cannot be written to is refused', async (t) => {
  const directory = await mountTmpfs(t, 'size=8m');
  if (directory === null) {
    t.pass();
    return;
  }
  await (await openLmdb({ directory })).close();
  await makeReadOnly(directory);
  await refused(t, directory, 'FAILED_PRECONDITION', /not writable/);
  await refused(t, join(directory, 'below'), 'FAILED_PRECONDITION', /cannot create the data directory/);
});

test('a file in place of the directory is refused', async (t) => {
  const directory = await temporaryDirectory(t);
  await mkdir(join(directory, 'sub'));
  await writeFile(join(directory, 'sub', 'file'), '');
  await refused(t, join(directory, 'sub', 'file'), 'FAILED_PRECONDITION', /cannot create|not writable/);
  await refused(t, join(directory, 'sub', 'file', 'below'), 'FAILED_PRECONDITION', /cannot create/);
});

test('many contexts and a growing file are found again', async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  await Promise.all(range(3_000).map((i) => write(store, `context ${i}`, 3)));
  await store.close();
  const again = await openLmdb({ directory });
  t.is((await again.list('', undefined, 10_000)).heads.length, 3_000);
  for (const i of [0, 1_234, 2_999]) t.is((await again.load(`context ${i}`))!.records.length, 3);
  await again.close();
});
