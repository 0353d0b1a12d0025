/** `npm run bench`: measures Chord beside its peers and ceilings, and prints a table. See docs/benchmarks.md. */
import { parseArgs } from 'node:util';
import type { Finding, Target } from './figures.js';
import { elsewhere, killAll } from './measure.js';
import type { Plan } from './plan.js';
import { Progress } from './progress.js';
import { results, save, table } from './report.js';
import { type Card, currentCommit, type Results } from './results.js';
import { disk, find, measureBuild, profileInto } from './servers.js';
import { targets } from './targets/index.js';

const HELP = `Usage: npm run bench -- [options]

Measures the built Chord (npm run build) beside its peers and ceilings, as ratios within one run.
Writes latest.json, latest.md and plots into bench/results/. How to read them: docs/benchmarks.md.

Options:
  --only P1,P4    these targets only; prints, and writes nothing unless --out is given
  --quick         ${'P1, P3, P4, P6'} and ghz with short rounds, in less than two minutes
  --seconds S     that one round takes
  --rounds N      the more, the surer
  --out DIR       where to write, in place of bench/results
  --json          print the results as JSON, in place of the table
  --dist DIR      the build to measure, in place of ./dist
  --profile DIR   write CPU profiles of Chord and of the ceilings there
  --list          list the targets
  --help          this text
`;
const QUICK = ['P1', 'P3', 'P4', 'P6', 'G'];
/** How much of the time of a whole run a quick one takes. */
const QUICK_SCALE = 0.3;
/** A target that takes so many times longer than usual is cut off, and counts as failed. */
const PATIENCE = 4;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void killAll().then(() => process.exit(130)));
}
process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      out: { type: 'string' },
      json: { type: 'boolean', default: false },
      dist: { type: 'string' },
      profile: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(HELP);
  if (values.list) return print(`${targets.map(({ id, title }) => `${id.padEnd(5)} ${title}`).join('\n')}\n`);
  const wanted = values.only?.split(',') ?? (values.quick ? QUICK : targets.map(({ id }) => id));
  const unknown = wanted.filter((id) => !targets.some((target) => target.id === id));
  if (unknown.length > 0) {
    const known = targets.map(({ id }) => id).join(', ');
    process.stderr.write(`bench: no such target: ${unknown.join(', ')}; there are ${known}\n`);
    return 2;
  }
  if (values.dist) measureBuild(values.dist);
  if (values.profile) profileInto(values.profile);
  const chosen = targets.filter(({ id }) => wanted.includes(id));
  const { quick, seconds = quick ? '1' : '2', rounds = quick ? '3' : '5' } = values;
  const all = await measure(chosen, { quick, seconds: Number(seconds), rounds: Number(rounds) });
  if (!values.only || values.out) await save(all, values.out);
  print(values.json ? `${JSON.stringify(all, null, 2)}\n` : table(all));
  return all.failures.length > 0 ? 1 : 0;
}

/** One target after the other: what fails is told, and the others go on. */
async function measure(chosen: readonly Target[], size: Pick<Plan, 'quick' | 'seconds' | 'rounds'>): Promise<Results> {
  const scale = size.quick ? QUICK_SCALE : 1;
  const lacking = ({ needs = [] }: Target) => needs.filter((program) => !find(program));
  const possible = chosen.filter((target) => lacking(target).length === 0);
  const progress = new Progress(possible, scale);
  const [findings, notes, failures]: [Finding[], string[], string[]] = [[], [], []];
  const note = (line: string): void => {
    notes.push(line);
    progress.line(line);
  };
  const plan: Plan = { ...size, note, progress: (text) => progress.update(text) };
  if (disk().inMemory) note('the temporary directory is in memory: what waits for a disk is not measured; set TMPDIR');
  for (const target of chosen.filter((each) => !possible.includes(each))) {
    note(`${target.id}: skipped, ${lacking(target).join(' and ')} is not installed`);
  }
  const begin = performance.now();
  const busy = elsewhere();
  const cards: Record<string, Card> = {};
  const commit = currentCommit();
  for (const target of possible) {
    progress.start(target);
    const at = new Date().toISOString();
    const disturbed = elsewhere();
    try {
      findings.push(...(await within(PATIENCE * Math.max(30, target.seconds * scale), target.run(plan))));
      const { seconds: secondsPerRound, rounds } = plan;
      cards[target.id] = { at, commit, secondsPerRound, rounds, elsewhere: disturbed() };
      progress.end('done');
    } catch (error) {
      const what = `${(error as Error).message} (${progress.doing})`;
      failures.push(`${target.id}: ${what}`);
      progress.end(`FAILED, ${what},`);
      await killAll();
    }
  }
  const took = (performance.now() - begin) / 1000;
  return results(plan, { findings, notes, failures, cards, seconds: took, elsewhere: busy() });
}

function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${Math.round(seconds)} s`)), seconds * 1000);
  });
  // What it still does when it is cut off fails with its servers.
  work.catch(() => {});
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
