/**
 * Attacks, one after the other: `make prove` (half an hour) and `make prove-release` (all of them, for hours; `--minutes N` sets
 * the length of those that have none of their own). Each prints its progress; what each came to is written to .tools/proof/, as JSON and as a table.
 * `--only simulator,kills` runs some. Ends with 1 where an attack found something.
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REPORTS = join(ROOT, '.tools/proof');

interface Attack {
  readonly name: string;
  /** Of the minutes that are not of fixed length. */
  readonly share: number;
  /** Its last line is JSON, or what it says of itself. */
  readonly command: (minutes: number) => string;
  readonly env?: Readonly<Record<string, string>>;
  /** Takes long, whatever the length of the run: runs with `--release`, or where it is named. */
  readonly long?: true;
}

const TSX = 'npx --no-install tsx test/proof';
const ava = (files: string) => `npx --no-install ava --serial ${files}`;
const MATRIX = [
  'test/proof/faults/*.test.ts test/server/{crash,faults,concurrency,drain}.test.ts',
  'test/store/lmdb/{disk-failure,disk-space,directory}.test.ts test/store/redis/{outages,many-servers,cluster,resent}.test.ts',
  'test/maintenance/{backup,fuzz}.test.ts test/cleanup/{archive,recovery}.test.ts test/grpc/{slow-readers,attacks}.test.ts',
  'test/workers/workers.test.ts',
].join(' ');
/** What the matrix has beside the tests that start workers by themselves. */
const WITH_WORKERS = 'test/server/{crash,faults,concurrency,drain}.test.ts test/grpc/slow-readers.test.ts';

/** Files of many long tests. */
const LONG = { CHORD_TEST_MINUTES: '120' };

/** `share` 0: of a length of its own. */
const ATTACKS: readonly Attack[] = [
  {
    name: 'simulator',
    share: 25,
    command: (m) => `${TSX}/simulator/main.ts --minutes ${m} --first ${Math.floor(Date.now() / 1000)}`,
  },
  {
    name: 'images',
    share: 15,
    command: (m) => `${TSX}/images/main.ts --minutes ${m} --first ${Math.floor(Date.now() / 60_000) % 1e6}`,
  },
  { name: 'kills-lmdb', share: 15, command: (m) => `${TSX}/kills/main.ts --store lmdb --minutes ${m}` },
  { name: 'kills-redis', share: 15, command: (m) => `${TSX}/kills/main.ts --store redis --minutes ${m}` },
  {
    name: 'fuzz',
    share: 10,
    command: (m) => `${TSX}/fuzz/main.ts --minutes ${m} --seed ${Math.floor(Date.now() / 1000)}`,
  },
  { name: 'soak-lmdb', share: 10, command: (m) => `${TSX}/soak/main.ts --store lmdb --minutes ${m}` },
  { name: 'soak-redis', share: 10, command: (m) => `${TSX}/soak/main.ts --store redis --minutes ${m}` },
  {
    name: 'matrix',
    share: 0,
    long: true,
    command: () => ava(MATRIX),
    env: { ...LONG, PROOF_STOPPED_SECONDS: '60', PROOF_MATRIX: 'full' },
  },
  {
    name: 'workers',
    share: 0,
    long: true,
    command: () => ava(`--timeout=10m ${WITH_WORKERS}`),
    env: { ...LONG, CHORD_TEST_WORKERS: '2' },
  },
  {
    name: 'second-opinion',
    share: 0,
    command: () => `${TSX}/checker/second-opinion.ts --first ${Math.floor(Date.now() / 1000)}`,
  },
  {
    name: 'thinning',
    share: 0,
    command: () => ava("test/cleanup/tiers.test.ts --match='after many writes*lmdb'"),
    env: { ...LONG, CHORD_WRITES: '1000000' },
  },
  {
    name: 'console',
    share: 0,
    command: () => ava("test/console/hostile.test.ts --match='more contexts than*'"),
    env: { CHORD_CONTEXTS: '100000' },
  },
  { name: 'browser', share: 0, command: () => 'npx --no-install tsx test/conformance/run.ts --only chromium' },
  { name: 'h2spec', share: 0, command: () => `${TSX}/h2spec.ts` },
  { name: 'connect', share: 0, command: () => `${TSX}/connect/run.ts` },
  { name: 'planted', share: 0, long: true, command: () => `${TSX}/planted/run.ts` },
];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    release: { type: 'boolean', default: false },
    only: { type: 'string' },
    without: { type: 'string', default: '' },
  },
});
const isWanted = ({ name, long }: Attack) =>
  (values.only ? values.only.split(',').some((part) => name.startsWith(part)) : values.release || !long) &&
  !values.without.split(',').some((part) => part !== '' && name.startsWith(part));
const wanted = ATTACKS.filter(isWanted);
const shares = wanted.reduce((sum, { share }) => sum + share, 0);

interface Result {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly result: string;
}

function run({ name, share, command, env = {} }: Attack): Promise<Result> {
  const minutes = Math.round((100 * Number(values.minutes) * share) / Math.max(1, shares)) / 100;
  const began = Date.now();
  console.log(`== ${name}${share > 0 ? ` (${minutes} min)` : ''}`);
  return new Promise((resolve) => {
    const child = spawn(command(minutes), {
      ...{ cwd: ROOT, shell: '/bin/bash', stdio: ['ignore', 'pipe', 'inherit'] },
      env: { ...process.env, ...env },
    });
    let said = '';
    child.stdout!.on('data', (chunk) => {
      said += chunk;
      process.stdout.write(chunk);
    });
    child.on('close', (code) => {
      const lines = said.trim().split('\n');
      const result = lines.findLast((line) => line.trim() !== '') ?? '';
      resolve({ name, ok: code === 0, seconds: Math.round((Date.now() - began) / 1000), result: result.trim() });
    });
  });
}

const results: Result[] = [];
for (const attack of wanted) results.push(await run(attack));

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
const at = new Date().toISOString();
mkdirSync(REPORTS, { recursive: true });
const table = results.map(
  ({ name, ok, seconds, result }) => `| ${name} | ${ok ? 'held' : '**FAILED**'} | ${seconds} s | ${result} |`,
);
const report = [
  `${at}, commit ${commit}, ${machine}`,
  '',
  '| attack | | took | figures |',
  '|---|---|---|---|',
  ...table,
  '',
].join('\n');
const file = join(REPORTS, at.replaceAll(':', '-').slice(0, 19));
writeFileSync(`${file}.json`, JSON.stringify({ at, commit, machine, results }, null, 2));
writeFileSync(`${file}.md`, report);
console.log(`\n${report}\n${file}.md`);
process.exit(results.every(({ ok }) => ok) ? 0 : 1);
