/** What `make test` counts, and what it leaves out where tools are missing. */
import { spawnSync } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { temporaryDirectory } from './store/lmdb/directories.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const AVA = 'node_modules/ava/entrypoints/cli.mjs';

const SUITE = `import test from 'ava';
test('one', (t) => t.pass());
test('two', (t) => t.pass());
test('three', (t) => t.fail());
test.skip('four', (t) => t.pass());
`;

test('a run in which a test fails still says how many passed', async (t) => {
  const folder = await temporaryDirectory(t);
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'some.test.js'), SUITE);
  const env = { ...process.env, FORCE_COLOR: '0' };
  const { stdout } = spawnSync(process.execPath, [AVA, 'some.test.js'], { cwd: folder, env, encoding: 'utf8' });
  const { ava } = await import(join(ROOT, 'scripts/counts.mjs'));
  t.deepEqual(ava(stdout), { passed: 2, failed: 1, skipped: 1 }, stdout);
});

test('where only Node is installed the demo of one process counts, and the clients of other languages are left out', async (t) => {
  const { demo } = await import(join(ROOT, 'scripts/counts.mjs'));
  t.is(demo('one process, one state: a:1:b').passed, 1);
  t.is(demo('five processes, one state: a:1:b').passed, 1);
  const code = `import { missingTools } from '${join(ROOT, 'scripts/tools.mjs')}';
    const languages = ['go', 'java', 'python', 'rust', 'typescript'];
    console.log(JSON.stringify(languages.filter((language) => missingTools(language) === undefined)));`;
  const env = { PATH: '/nowhere' };
  const args = ['--input-type=module', '-e', code];
  t.deepEqual(JSON.parse(spawnSync(process.execPath, args, { env, encoding: 'utf8' }).stdout), ['typescript']);
});
