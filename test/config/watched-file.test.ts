/** Files that change under a running server, in every way in which files are changed. */
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { WatchedFile } from '../../src/config/watched-file.js';
import { folder, replace } from '../support/access.js';

/** What was told of a file, in order. */
async function watched(t: ExecutionContext, path: string) {
  const told: string[] = [];
  let wake = () => {};
  const tell = (what: string) => {
    told.push(what);
    wake();
  };
  const file = await WatchedFile.open({
    path,
    parse: (text) => {
      if (text.startsWith('bad')) throw new Error('one thing\nand another');
      return text;
    },
    changed: tell,
    failed: (error) => tell(error.message),
  });
  // Its own timer keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => {
    clearInterval(alive);
    file.close();
  });
  const next = async () => {
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return told.shift();
  };
  return { file, told, next };
}

test('changes in place, by a rename over it, and after it was gone', async (t) => {
  const path = join(await folder(t), 'file');
  await writeFile(path, 'one');
  const { file, next } = await watched(t, path);
  t.is(file.value, 'one');
  await writeFile(path, 'two');
  t.is(await next(), 'two');
  await replace(path, 'six');
  t.is(await next(), 'six');
  await rm(path);
  t.regex((await next())!, /^cannot read .*ENOENT/);
  t.is(file.value, 'six');
  await writeFile(path, 'ten');
  t.is(await next(), 'ten');
});

test('links that are pointed elsewhere, as Kubernetes mounts secrets', async (t) => {
  const at = await folder(t);
  for (const version of ['v1', 'v2']) {
    await mkdir(join(at, version));
    await writeFile(join(at, version, 'file'), version);
    // Same size and same time: only the file itself is another.
    await utimes(join(at, version, 'file'), 1_700_000_000, 1_700_000_000);
  }
  await symlink('v1', join(at, 'data'));
  await symlink('data/file', join(at, 'file'));
  const { file, next } = await watched(t, join(at, 'file'));
  t.is(file.value, 'v1');
  await symlink('v2', join(at, 'data.new'));
  await rename(join(at, 'data.new'), join(at, 'data'));
  t.is(await next(), 'v2');
});

test('what is not fit for use is told once, with all that is wrong, and what was before stays', async (t) => {
  const path = join(await folder(t), 'file');
  await writeFile(path, 'good');
  const { file, told, next } = await watched(t, path);
  await replace(path, 'bad');
  t.is(await next(), `${path}: one thing\n${path}: and another`);
  t.is(file.value, 'good');
  await replace(path, 'better');
  t.is(await next(), 'better');
  t.deepEqual(told, []);
});

test('a reload does not wait, and the same text again is no change', async (t) => {
  const path = join(await folder(t), 'file');
  await writeFile(path, 'one');
  const { file, told } = await watched(t, path);
  await writeFile(path, 'two');
  await file.reload();
  t.deepEqual(told, ['two']);
  await replace(path, 'two');
  await file.reload();
  t.deepEqual(told, ['two']);
});

test('a file that cannot be used at the start is refused', async (t) => {
  const at = await folder(t);
  await writeFile(join(at, 'file'), 'bad');
  const open = (path: string) =>
    WatchedFile.open({
      path,
      parse: () => {
        throw new Error('no');
      },
      changed() {},
      failed() {},
    });
  t.like(await t.throwsAsync(open(join(at, 'file'))), {
    reason: 'FAILED_PRECONDITION',
    message: `${join(at, 'file')}: no`,
  });
  t.like(await t.throwsAsync(open(join(at, 'none'))), { reason: 'FAILED_PRECONDITION' });
});
