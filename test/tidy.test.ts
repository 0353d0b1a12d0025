/** Rules of the house that no compiler holds: who may import whom, how long a file may be, what must not be left behind. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * The parts of src/, the lowest first, and what each may import beside itself. The list is exact: a permission that no
 * file uses is denied. A part imports only parts above it in this list, so the graph of parts has no circle.
 */
const LADDER: readonly (readonly [part: string, imports: readonly string[]])[] = [
  ['model', []],
  ['delta', ['model']],
  ['quota', ['model']],
  ['config', ['model', 'quota']],
  ['tls', ['config', 'model']],
  ['auth', ['config', 'delta', 'model', 'quota']],
  ['store', ['model']],
  ['codec', ['delta', 'gen', 'model']],
  ['contexts', ['codec', 'delta', 'model', 'store']],
  ['watch', ['contexts', 'delta', 'model', 'store']],
  ['transfer', ['codec', 'contexts', 'delta', 'gen', 'model', 'store', 'tls']],
  ['cleanup', ['contexts', 'model', 'store', 'transfer']],
  ['maintenance', ['codec', 'contexts', 'delta', 'model', 'store']],
  ['observability', ['cleanup', 'contexts', 'model', 'store', 'transfer', 'watch']],
  [
    'grpc',
    [
      ...['auth', 'cleanup', 'codec', 'contexts', 'delta', 'gen', 'model', 'observability', 'quota', 'store', 'tls'],
      ...['transfer', 'watch'],
    ],
  ],
  ['web', ['gen', 'grpc', 'model', 'observability', 'tls']],
  // Frames between processes carry what the call pipeline needs of a connection: its certificate.
  ['workers', ['auth', 'grpc', 'model', 'observability', 'tls']],
  [
    'server',
    [
      ...['auth', 'cleanup', 'config', 'contexts', 'grpc', 'model', 'observability', 'quota', 'store', 'tls'],
      ...['transfer', 'watch', 'web', 'workers'],
    ],
  ],
  // A page for browsers: of the repository it imports the TypeScript client, and what makes text safe to show.
  ['console', ['model']],
  ['testing', ['model', 'store', 'transfer']],
  ['cli', ['auth', 'config', 'delta', 'gen', 'maintenance', 'model', 'server', 'store']],
  ['main', ['cli']],
  ['index', ['cleanup', 'codec', 'config', 'contexts', 'delta', 'model', 'server', 'store', 'transfer', 'watch']],
];

/** Generated code imports the codec that it is given, and no other part. */
const GENERATED = 'gen';

/** A longer file usually holds more than one concept. */
const LINES_MAX = 400;

/** A folder with more files than this hides its parts. */
const FILES_MAX = 16;
/** Folders whose files are all of one kind, one for each command, say. */
const FOLDERS_OF_PEERS = new Set(['src/cli/commands']);

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
  return specifiers.map((specifier) => {
    const target = join(dirname(path), specifier).replace(/\.js$/, '.ts');
    return existsSync(join(ROOT, `${target}x`)) ? `${target}x` : target;
  });
}

/** Each circle as the files on it. */
function circlesAmong(files: readonly string[]): string[][] {
  const known = new Set(files);
  const done = new Set<string>();
  const circles: string[][] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (!known.has(path)) return;
    const start = trail.indexOf(path);
    if (start >= 0) circles.push([...trail.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const target of importsOf(path)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of files) visit(path, []);
  return circles;
}

const sources = tracked('src/*.ts', 'src/*.tsx').filter((path) => !path.startsWith('src/gen/'));

test('every part imports exactly what the ladder allows, and only parts below it', (t) => {
  const used = new Map<string, Set<string>>();
  for (const path of sources) {
    const part = partOf(path);
    const targets = importsOf(path)
      .filter((target) => target.startsWith('src/'))
      .map(partOf);
    used.set(part, new Set([...(used.get(part) ?? []), ...targets.filter((target) => target !== part)]));
  }
  t.deepEqual([...used.keys()].sort(), LADDER.map(([part]) => part).sort(), 'the parts of src/');
  const below = new Set([GENERATED]);
  for (const [part, allowed] of LADDER) {
    t.deepEqual([...(used.get(part) ?? [])].sort(), [...allowed].sort(), `what ${part} imports`);
    for (const each of allowed) t.true(below.has(each), `${part} must not import ${each}, which is not below it`);
    below.add(part);
  }
});

test('no files import one another in a circle, types included', (t) => {
  for (const patterns of [['src/*.ts', 'src/*.tsx'], ['bench/*.ts'], ['test/*.ts'], ['clients/typescript/src/*.ts']]) {
    const files = tracked(...patterns).filter((path) => !path.includes('/gen/'));
    t.deepEqual(circlesAmong(files), []);
  }
});

test('an exported type name is declared once', (t) => {
  const declared = new Map<string, string>();
  for (const path of sources) {
    for (const [, name] of read(path).matchAll(/^export (?:interface|type|(?:abstract )?class) (\w+)/gm)) {
      t.is(declared.get(name!), undefined, `${name} is declared in ${path} and in ${declared.get(name!)}`);
      declared.set(name!, path);
    }
  }
});

test('a folder of many files has sub-folders', (t) => {
  const counts = new Map<string, number>();
  for (const path of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  for (const [folder, count] of counts) {
    const limit = FOLDERS_OF_PEERS.has(folder) ? Number.POSITIVE_INFINITY : FILES_MAX;
    t.true(count <= limit, `${folder} has ${count} files, the limit is ${FILES_MAX}`);
  }
});

test('of the server, only config.ts reads the environment', (t) => {
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
  const entries = ['src/main.ts', 'src/index.ts', 'src/testing/index.ts', 'src/workers/process.ts'];
  for (const entry of [...entries, 'src/console/main.tsx', 'src/console/vite.config.ts']) visit(entry);
  t.deepEqual(
    sources.filter((path) => !reached.has(path)),
    [],
  );
});

test('every path of src, test and docs that the documentation names exists', (t) => {
  for (const page of tracked('*.md')) {
    for (const [path] of read(page).matchAll(/(?<![\w./-])(?:src|test|docs)\/[\w./-]*[\w/]/g)) {
      t.true(existsSync(join(ROOT, path)), `${page} names ${path}, which does not exist`);
    }
  }
});

test('nothing is left behind', (t) => {
  const leftover = /\b(?:TODO|FIXME|XXX|HACK)\b|\bdebugger\b|\b(?:test|it|describe)\.only\b/;
  for (const path of tracked('*.ts', '*.tsx', '*.css', '*.mjs', '*.proto', 'Makefile')) {
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
