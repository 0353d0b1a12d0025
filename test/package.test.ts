/** The package as its users get it: packed, unpacked elsewhere, compiled against, extended. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { chord, Running } from './support/cli.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What the author of a store writes. */
const AUTHORS_STORE = `
import { type Commit, type Config, ChordError, openMemory, type Outcome, type Plugins, type Store } from 'chordstate-server';

export function openMine({ dataDir }: Pick<Config, 'dataDir'>): Store {
  if (dataDir === '') throw new ChordError('FAILED_PRECONDITION', 'a directory is needed');
  const memory = openMemory();
  const commit = async (commit: Commit): Promise<Outcome> => memory.commit(commit);
  return new Proxy(memory, {
    get: (target, name) => {
      const member = Reflect.get(name === 'commit' ? { commit } : target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

export default {
  store: openMine,
  clock: () => 86_400_000,
  formatters: { count: ({ changes }) => changes.length },
} satisfies Plugins;
`;

const AUTHORS_TEST = `
import { test } from 'node:test';
import { providerLaws, type StoreSubject, storeLaws } from 'chordstate-server/testing';
import { openMine } from './mine.js';

async function makeSubject(): Promise<StoreSubject> {
  const store = openMine({ dataDir: 'data' });
  return { store, destroy: () => store.close() };
}

for (const { name, run } of storeLaws) void test(name, () => run(makeSubject));
void test('there are laws for external stores, too', (t) => t.assert.ok(providerLaws.length > 0));
`;

const TSCONFIG = {
  compilerOptions: {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    types: ['node'],
    strict: true,
    outDir: 'out',
  },
  files: ['mine.ts', 'mine.test.ts'],
};

test('a store of somebody else: compiled, tested and served', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-package-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT });
  const [{ filename, files }] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
  const places = new Set(files.map(({ path }) => path.replace(/\/.*/s, '')));
  t.deepEqual([...places].sort(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'deploy',
    'dist',
    'docs',
    'examples',
    'package.json',
    'proto',
  ]);
  t.false(files.some(({ path }) => path.endsWith('.map')));
  t.true(files.some(({ path }) => path === 'dist/console/index.html'));

  // Installed, with what it depends on beside it.
  const app = join(folder, 'app');
  await mkdir(join(app, 'node_modules'), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  await run('tar', ['-xzf', join(folder, filename), '-C', join(app, 'node_modules')]);
  await run('mv', [join(app, 'node_modules', 'package'), join(app, 'node_modules', 'chordstate-server')]);

  await writeFile(join(app, 'package.json'), '{"type":"module"}');
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  await writeFile(join(app, 'mine.ts'), AUTHORS_STORE);
  await writeFile(join(app, 'mine.test.ts'), AUTHORS_TEST);
  const tsc = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', app]).catch((error) => error);
  t.is(tsc.stdout, '');
  const tested = await run(process.execPath, ['--test', '--test-reporter=tap', 'out/'], { cwd: app }).catch((e) => e);
  t.regex(tested.stdout, /^# fail 0$/m);
  t.regex(tested.stdout, /^ok \d+ - random commands/m);

  const main = join(app, 'node_modules', 'chordstate-server', 'dist', 'main.js');
  const served = ['--listen', '127.0.0.1:0', '--web-listen', '127.0.0.1:0', '--plugin', join(app, 'out', 'mine.js')];
  const server = new Running(['serve', ...served], main);
  t.teardown(() => server.end('SIGTERM'));
  const [, address = '', web] =
    /^chord: serving on (\S+) \(the store of .* over HTTP on (\S+),/.exec(await server.line()) ?? [];
  t.regex(await (await fetch(`${web}/`)).text(), /<title>Chord<\/title>/);
  await chord(['--address', address, 'set', 'a', '{}']);
  const change = ['update', 'a', '{"b":1}', '--delta', '--format', 'count'];
  const changed = await chord(['--address', address, '--json', ...change]);
  t.is(JSON.parse(changed.stdout).delta.formatted, 1, changed.stderr);
});
