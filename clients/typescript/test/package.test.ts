/** What is published: each path in a source map leads to a file of the package. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('..', import.meta.url));

test('source maps stay inside', (t) => {
  const listed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }),
  )[0].files as { path: string }[];
  const files = new Set(listed.map(({ path }) => path));
  const out = mkdtempSync(join(tmpdir(), 'chord-dist-'));
  t.teardown(() => rmSync(out, { recursive: true }));
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
});
