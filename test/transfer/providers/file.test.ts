import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { listed, providerLaws, SIGNAL, savedOf } from '../../../src/testing/provider.js';
import { fileName, openFiles } from '../../../src/transfer/providers/file.js';
import { testLaws } from '../../support/laws.js';

async function directory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'chord-files-'));
}

async function scratch(t: ExecutionContext): Promise<string> {
  const path = await directory();
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

testLaws(test, 'file', providerLaws, async () => {
  const path = await directory();
  return {
    provider: openFiles(`file:${path}`),
    reopen: async () => openFiles(pathToFileURL(path).href),
    destroy: () => rm(path, { recursive: true }),
  };
});

test('nothing is written outside of the directory, nor left there beside the documents', async (t) => {
  const outside = await scratch(t);
  const provider = openFiles(`file:${join(outside, 'not there yet', 'exports')}`);
  for (const id of ['../evil', '/etc/evil', '..', 'a\\..\\evil', 'x'.repeat(512)])
    await provider.save(savedOf(id), SIGNAL);
  t.deepEqual(await readdir(outside), ['not there yet']);
  t.deepEqual(await readdir(join(outside, 'not there yet')), ['exports']);
  const names = await readdir(join(outside, 'not there yet', 'exports'));
  t.is(names.length, 5);
  for (const name of names) t.regex(name, /^[a-z0-9_%~-]+\.json$/);
});

test('a save that fails leaves the old document, and no draft', async (t) => {
  const path = await scratch(t);
  const provider = openFiles(`file:${path}`);
  await provider.save(savedOf('a', 'old'), SIGNAL);
  await mkdir(join(path, fileName('in the way')));
  await t.throwsAsync(provider.save(savedOf('in the way'), SIGNAL));
  t.deepEqual((await readdir(path)).sort(), ['a.json', fileName('in the way')].sort());
  t.is(await provider.load('a', SIGNAL), 'old');
});

test('what others put there is not listed', async (t) => {
  const path = await scratch(t);
  const provider = openFiles(`file:${path}`);
  await provider.save(savedOf('x'.repeat(512)), SIGNAL);
  for (const name of ['half.tmp', 'README', 'Upper.json', '%zz.json', '%ff.json', `${'x'.repeat(150)}~1.json`]) {
    await writeFile(join(path, name), '{"contextId":"other"}');
  }
  t.deepEqual(await listed(provider), ['x'.repeat(512)]);
});

test('a directory that is a file is an error, not an empty store', async (t) => {
  const path = join(await scratch(t), 'file');
  await writeFile(path, '');
  const provider = openFiles(`file:${path}`);
  await t.throwsAsync(listed(provider), { code: 'ENOTDIR' });
  await t.throwsAsync(provider.save(savedOf('a'), SIGNAL));
});
