/** What is published: each path in a source map leads to a file of the package, and bundlers find the entry for browsers. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));

test('source maps stay inside, and a bundler for browsers takes nothing of Node', async (t) => {
  const listed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
  )[0].files as { path: string }[];
  const files = new Set(listed.map(({ path }) => path));
  const folder = mkdtempSync(join(tmpdir(), 'chord-dist-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const installed = join(folder, 'node_modules/chordstate');
  const out = join(installed, 'dist');
  mkdirSync(out, { recursive: true });
  copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
  execFileSync('npx', ['--no-install', 'tsc', '-p', 'tsconfig.build.json', '--outDir', out], { cwd: root });
  const maps = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.map'));
  t.true(maps.some((name) => name.endsWith('.js.map')) && maps.some((name) => name.endsWith('.d.ts.map')));
  for (const name of maps) {
    const { sources } = JSON.parse(readFileSync(join(out, name), 'utf8')) as { sources: string[] };
    for (const source of sources) {
      const path = relative(root, resolve(dirname(join(out, name)), source));
      t.true(files.has(path), `${name} names ${path}`);
    }
  }
  const bundle = async (entry: string, platform: 'browser' | 'node') => {
    const contents = `export { connect, Replica } from '${entry}'`;
    const options = { bundle: true, format: 'esm', write: false, metafile: true, logLevel: 'silent' } as const;
    // The dependencies are those of the clone.
    const nodePaths = [join(root, 'node_modules')];
    const { metafile } = await build({ ...options, platform, nodePaths, stdin: { contents, resolveDir: folder } });
    const inputs = Object.keys(metafile.inputs).map((path) => path.replace(/.*chordstate\/dist\//, ''));
    return ['web.js', 'index.js'].filter((name) => inputs.includes(name)).join();
  };
  t.is(await bundle('chordstate', 'browser'), 'web.js');
  t.is(await bundle('chordstate/web', 'browser'), 'web.js');
  t.is(await bundle('chordstate', 'node'), 'index.js');
});
