/** `npm run bench`: measures Chord beside its peers and ceilings, and prints a table. See docs/benchmarks.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Figure, Plan } from './figures.js';
import { markdown, type Results, results, table } from './report.js';
import { measureBuild, profileInto } from './servers.js';
import { targets } from './targets/index.js';

const HELP = `Usage: npm run bench -- [options]

Measures the built Chord (npm run build) beside its peers and ceilings, as ratios within one run.
Writes bench/results/latest.json and latest.md, unless --only is given. How to read them: docs/benchmarks.md.

Options:
  --only P1,P4    these targets only
  --quick         P1, P3, P4, P6 and ghz with short rounds, in less than two minutes
  --large         P7 with a million contexts too
  --json          print the results as JSON, in place of the table
  --dist DIR      the build to measure, in place of ./dist
  --profile DIR   write CPU profiles of Chord there
  --list          list the targets
  --help          this text
`;
const QUICK = ['P1', 'P3', 'P4', 'P6', 'G'];
const RESULTS = fileURLToPath(new URL('./results/', import.meta.url));

process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      large: { type: 'boolean', default: false },
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
    process.stderr.write(
      `bench: no such target: ${unknown.join(', ')}; there are ${targets.map(({ id }) => id).join(', ')}\n`,
    );
    return 2;
  }
  if (values.dist) measureBuild(values.dist);
  if (values.profile) profileInto(values.profile);
  const progress = (line: string) => void process.stderr.write(`${line}\n`);
  const { quick, large } = values;
  const plan: Plan = { ...(quick ? { seconds: 1, rounds: 3 } : { seconds: 2, rounds: 5 }), quick, large, progress };
  const figures: Figure[] = [];
  for (const target of targets.filter(({ id }) => wanted.includes(id))) {
    const begin = performance.now();
    progress(`${target.id}: ${target.title} ...`);
    figures.push(...(await target.run(plan)));
    progress(`${target.id}: done in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
  }
  const all = results(figures, plan);
  if (!values.only) save(all);
  return print(values.json ? `${JSON.stringify(all, null, 2)}\n` : table(figures));
}

function save(all: Results): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(`${RESULTS}latest.json`, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(`${RESULTS}latest.md`, markdown(all));
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
