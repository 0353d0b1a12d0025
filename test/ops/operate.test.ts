/** What operators are given: the example of a config file, the unit, the image, the list of what is in a release. */
import { execFile, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { envOf, explainConfig, KEYS, type Key, SETTINGS } from '../../src/config/config.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFile(join(ROOT, path), 'utf8');

/** As it is written: with a unit, where it has one. */
function written(key: Key): unknown {
  const setting = SETTINGS[key] as { readonly default: unknown; format(value: unknown): string };
  const text = setting.format(setting.default);
  return typeof setting.default === 'boolean' || text === String(Number(text)) ? setting.default : text;
}

test('the example of a config file has every setting, each with its default', async (t) => {
  const text = await read('examples/chord.json');
  const wanted = Object.fromEntries(KEYS.map((key) => [key, written(key)]));
  t.is(text, `${JSON.stringify(wanted, null, 2)}\n`, 'examples/chord.json should be as it is wanted here');
  const { config, origins } = explainConfig({ file: { path: 'chord.json', settings: JSON.parse(text) } });
  for (const key of KEYS) {
    t.deepEqual(config[key], SETTINGS[key].default);
    t.is(origins[key], `${key} in chord.json`);
  }
});

test('the unit is one that systemd takes, and gives a stop the time that it may need', async (t) => {
  const unit = await read('deploy/systemd/chord.service');
  const { shutdownDelay, shutdownGrace } = SETTINGS;
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]);
  t.true(seconds * 1000 > shutdownDelay.default + shutdownGrace.default + 5_000);
  if (spawnSync('systemd-analyze', ['--version']).error) {
    t.log('systemd-analyze is not here');
    return;
  }
  // Where it is installed to, node and Chord need not be here.
  const path = join(await temporaryDirectory(t), 'chord.service');
  await writeFile(path, unit.replace('/usr/bin/node', process.execPath));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], { encoding: 'utf8' });
  t.is(
    stderr
      .split('\n')
      .filter((line) => line.includes('chord.service'))
      .join('\n'),
    '',
  );
  t.is(status, 0);
});

test('the image names settings and files that there are', async (t) => {
  const lines = (await read('Dockerfile')).replaceAll('\\\n', '').split('\n');
  const variables = lines.flatMap((line) => line.match(/CHORD_\w+(?==)/g) ?? []);
  t.true(variables.length > 0);
  for (const name of variables) t.true(KEYS.map(envOf).includes(name), name);
  const ignored = (await read('.dockerignore')).split('\n');
  for (const line of lines.filter((each) => /^COPY (?!--from)/.test(each))) {
    for (const source of line.split(' ').slice(1, -1)) t.true(ignored.includes(`!${source}`), `${source} is not sent`);
  }
  t.regex(lines.join('\n'), /^USER \d+:\d+$/m);
  // An option of Node 24.
  t.regex(lines.join('\n'), /^ARG NODE=24\./m);
  t.regex(lines.join('\n'), /^ENV NODE_OPTIONS=--max-old-space-size-percentage=50$/m);
});

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
}

async function lockfile(): Promise<Map<string, Locked>> {
  const { packages } = JSON.parse(await read('package-lock.json')) as { packages: Record<string, Locked> };
  const named = Object.entries(packages).filter(([path]) => path !== '');
  return new Map(named.map(([path, locked]) => [path.replace(/^.*node_modules\//, ''), locked]));
}

test('no package needs to run anything when it is installed, and those that would are known', async (t) => {
  const eager = [...(await lockfile())].filter(([, { hasInstallScript }]) => hasInstallScript).map(([name]) => name);
  // Their binaries come as packages of their own, one for each platform; protobufjs only prints.
  const known = ['@bufbuild/buf', 'esbuild', 'fsevents', 'lmdb', 'msgpackr-extract', 'protobufjs'];
  t.deepEqual(
    eager.filter((name) => !known.includes(name)),
    [],
  );
  t.regex(await read('Makefile'), /npm ci --ignore-scripts/);
  t.regex(await read('Dockerfile'), /npm ci --ignore-scripts/);
});

test('what is released has a hash in the lockfile, but for optional packages of rare platforms', async (t) => {
  const bare = [...(await lockfile())].filter(([, { dev, integrity }]) => !dev && !integrity).map(([name]) => name);
  t.deepEqual(
    bare.filter((name) => !/^@msgpackr-extract\/.*-(darwin-arm64|darwin-x64|linux-arm|win32-x64)$/.test(name)),
    [],
  );
});

test('the list of what is in a release can be made, names each package, and no host that it is fetched from', async (t) => {
  const directory = await temporaryDirectory(t);
  const make = async (name: string) => {
    await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/sbom.mjs'), join(directory, name)]);
    return readFile(join(directory, name), 'utf8');
  };
  const text = await make('sbom.json');
  t.is(await make('again.json'), text);
  const { components, metadata } = JSON.parse(text) as {
    components: { name: string; version: string; purl: string }[];
    metadata: { component: { name: string } };
  };
  t.is(metadata.component.name, 'chordstate-server');
  const listed = new Set(components.map(({ name, version }) => `${name}@${version}`));
  for (const [name, { version, dev, devOptional }] of await lockfile()) {
    if (['preact', 'uplot'].includes(name)) t.true(listed.has(`${name}@${version}`), `${name} is in the console`);
    t.true(dev || devOptional || listed.has(`${name}@${version}`), `${name} is missing`);
  }
  for (const { purl } of components) t.regex(purl, /^pkg:npm\/[^?]+$/);
  t.notRegex(text, /"url": "[^"]*\.tgz"/);
});

test('what make would run is written as the shell reads it', async (t) => {
  const targets = [...(await read('Makefile')).matchAll(/^\.PHONY: (.*)$/gm)].flatMap(([, names]) => names!.split(' '));
  t.true(targets.includes('test-workers'));
  const { stdout: commands } = spawnSync('make', ['-n', ...targets], { cwd: ROOT, encoding: 'utf8' });
  const { stderr } = spawnSync('bash', ['-n'], { input: commands, encoding: 'utf8' });
  t.is(stderr, '');
});
