/** Rules of the house that no compiler holds: who may import whom, how long a file may be, what must not be left behind. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * The ladder: what each part may import, beside itself. Parts are folders of src/, or files that stand alone.
 * model and errors are for all.
 */
const LADDER: Readonly<Record<string, readonly string[]>> = {
  main: ['cli'],
  index: ['app', 'cleanup', 'codec', 'config', 'contexts', 'delta', 'parts', 'store', 'transfer', 'watch'],
  access: ['units'],
  app: [
    'access',
    'cleanup',
    'config',
    'contexts',
    'gate',
    'grpc',
    'observe',
    'parts',
    'quota',
    'reload',
    'store',
    'telemetry',
    'transfer',
    'transport',
    'watch',
  ],
  gate: ['access', 'config', 'grpc'],
  parts: ['config', 'contexts', 'store/store', 'transfer/provider'],
  cli: ['access', 'app', 'codec', 'config', 'delta', 'gen', 'parts', 'units', 'store/store', 'upkeep', 'version'],
  config: ['access/limits', 'access/settings', 'kinds'],
  kinds: ['access/limits', 'units'],
  telemetry: ['config', 'grpc', 'loopback', 'observe', 'reload', 'store/store', 'version'],
  grpc: ['access', 'gen', 'codec', 'contexts', 'tls', 'watch', 'cleanup', 'observe', 'quota', 'store/store'],
  observe: ['contexts', 'watch', 'cleanup', 'store/store', 'histogram'],
  upkeep: ['codec', 'contexts', 'delta', 'store'],
  cleanup: ['contexts', 'store/store', 'watch'],
  reload: ['config'],
  transport: ['config', 'loopback', 'tls'],
  loopback: [],
  tls: [],
  watch: ['contexts', 'store/store'],
  contexts: ['store/store', 'transfer/provider', 'delta', 'codec'],
  transfer: ['gen', 'tls'],
  testing: ['store', 'transfer/provider'],
  store: ['delta', 'histogram'],
  codec: ['delta', 'gen', 'store/store'],
  quota: ['access'],
  gen: ['codec'],
  delta: [],
  histogram: [],
  units: [],
  version: [],
  errors: [],
  model: [],
};

/** Longer files than this usually hide two. */
const LINES_MAX = 320;

function tracked(...patterns: string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--', ...patterns], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return listed.split('\n').filter((path) => path !== '');
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function partOf(path: string): string {
  return relative('src', path).split('/')[0]?.replace(/\.ts$/, '') ?? '';
}

function importsOf(path: string): string[] {
  const specifiers = [...read(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => specifier as string,
  );
  return specifiers.map((specifier) => join(dirname(path), specifier).replace(/\.js$/, '.ts'));
}

const sources = tracked('src/*.ts').filter((path) => !path.startsWith('src/gen/'));

test('imports point down the ladder only', (t) => {
  for (const path of sources) {
    const part = partOf(path);
    const allowed = LADDER[part];
    t.truthy(allowed, `${path}: the ladder has no place for ${part}`);
    for (const target of importsOf(path)) {
      const to = partOf(target);
      const module = relative('src', target).replace(/\.ts$/, '');
      const fine =
        to === part || to === 'model' || to === 'errors' || allowed?.some((each) => each === to || each === module);
      t.true(fine, `${path} must not import ${target}`);
    }
  }
});

test('only config.ts reads the environment', (t) => {
  const readers = sources.filter((path) => /process\.env\b/.test(read(path)) && !path.startsWith('src/cli/'));
  t.deepEqual(readers, ['src/config/config.ts']);
});

test('no file has grown beyond what reads well', (t) => {
  for (const path of [...sources, ...tracked('test/*.ts', 'bench/*.ts')]) {
    if (path.includes('/gen/')) continue;
    const lines = read(path).split('\n').length - 1;
    const limit = path.startsWith('src/') ? LINES_MAX : 2 * LINES_MAX;
    t.true(lines <= limit, `${path} has ${lines} lines, the limit is ${limit}`);
  }
});

test('every source file is reached from an entry', (t) => {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const target of importsOf(path)) visit(target);
  };
  for (const entry of ['src/main.ts', 'src/index.ts', 'src/testing/index.ts']) visit(entry);
  t.deepEqual(
    sources.filter((path) => !reached.has(path)),
    [],
  );
});

test('nothing is left behind', (t) => {
  const leftover = /\b(?:TODO|FIXME|XXX|HACK)\b|\bdebugger\b|\b(?:test|it|describe)\.only\b/;
  for (const path of tracked('*.ts', '*.mjs', '*.proto', 'Makefile')) {
    if (path === 'test/tidy.test.ts' || path.includes('/vendor/')) continue;
    const line = read(path)
      .split('\n')
      .find((each) => leftover.test(each));
    t.is(line, undefined, `${path}: ${line?.trim()}`);
  }
});

test('lockfiles name no registry', (t) => {
  for (const path of tracked('*package-lock.json')) t.notRegex(read(path), /"resolved": "http/, path);
});
