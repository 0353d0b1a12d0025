/**
 * Plants each bug in a copy of this tree, and runs the tools there until one fails: `npx tsx test/proof/planted/run.ts`, with
 * parts of names as arguments for some. Ends with 1 where a bug was not caught, or a tool fails on the copy without a bug.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUGS, type Bug, type Detector, planted } from './bugs.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PLACE = join(ROOT, '.tools/proof/planted');
/** Of one tool, in minutes. */
const MOST = 30;

/** Each ends with another code than 0 where it finds something. */
const DETECTORS: Readonly<Record<Detector, string>> = {
  simulator: 'npx --no-install tsx test/proof/simulator/main.ts --seeds 1500',
  'random model': 'npx --no-install ava test/random-model/model.test.ts',
  'laws of stores': 'npx --no-install ava test/store/lmdb/store.test.ts test/store/lmdb/directory.test.ts',
  'direct tests':
    'npx --no-install ava --serial test/watch/watcher.test.ts test/cleanup/sweeper.test.ts test/contexts/lane/messages.test.ts test/contexts/members.test.ts test/store/redis/turns.test.ts',
  'crash images': 'npx --no-install tsx test/proof/images/main.ts --runs 2 --images 400',
  kills: 'npx --no-install tsc -p tsconfig.build.json && npx --no-install tsx test/proof/kills/main.ts --kills 25',
};

function copyTree(name: string): string {
  const directory = join(PLACE, name.replaceAll(/[^a-z]+/g, '-'));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const part of ['src', 'test', 'proto', 'package.json', 'tsconfig.json', 'tsconfig.build.json']) {
    cpSync(join(ROOT, part), join(directory, part), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

/** The last lines of what it said, where it failed; null where all is well. */
function run(command: string, cwd: string): Promise<string | null> {
  return new Promise((resolve) => {
    const child = spawn(command, { cwd, shell: true, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
    // A run that does not end is a finding too.
    const late = setTimeout(() => {
      said = `did not end within ${MOST} minutes`;
      process.kill(-child.pid!, 'SIGKILL');
    }, MOST * 60_000);
    child.on('close', (code) => {
      clearTimeout(late);
      resolve(code === 0 ? null : said);
    });
  });
}

function gist(said: string): string {
  const lines = said.split('\n');
  const line =
    lines.find((each) => each.includes('✘')) ??
    lines.find((each) => !each.startsWith('{') && /Error|fail|seed \d+, step|violation|lost/i.test(each)) ??
    said.trim().split('\n').at(-1)!;
  return line.trim().slice(0, 160);
}

async function caught(bug: Bug): Promise<string | null> {
  const directory = copyTree(bug.name);
  const file = join(directory, bug.file);
  writeFileSync(file, planted(bug, readFileSync(file, 'utf8')));
  const others = (Object.keys(DETECTORS) as Detector[]).filter((each) => each !== bug.by);
  for (const detector of [bug.by, ...others]) {
    const said = await run(DETECTORS[detector], directory);
    if (said === null) continue;
    rmSync(directory, { recursive: true });
    return `${detector}: ${gist(said)}`;
  }
  return null;
}

const wanted = process.argv.slice(2);
const bugs = BUGS.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
let escaped = 0;
if (wanted.length === 0) {
  const directory = copyTree('none');
  for (const [detector, command] of Object.entries(DETECTORS)) {
    const said = await run(command, directory);
    if (said !== null) throw new Error(`${detector} fails without a planted bug: ${said.slice(-2000)}`);
  }
  rmSync(directory, { recursive: true });
}
for (const bug of bugs) {
  const by = await caught(bug);
  if (by === null) escaped++;
  console.log(`${by === null ? 'NOT CAUGHT' : 'caught'} | ${bug.name} (${bug.breaks}) | ${by ?? ''}`);
}
console.log(`${bugs.length - escaped} of ${bugs.length} planted bugs were caught`);
process.exit(escaped === 0 ? 0 : 1);
