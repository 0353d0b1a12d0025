/**
 * `make bench-publish`: takes the last whole run into docs/: its table into docs/benchmarks.md, between the marks there,
 * its plots into docs/benchmarks/. Says of the machine only of which kind it is.
 *
 *     npx tsx bench/publish.ts [DIRECTORY with latest.json]
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from './figures.js';
import { plots } from './plots.js';
import { curveTables, figuresTable, percent, RESULTS } from './report.js';
import type { Results } from './results.js';
import { ROOT } from './servers.js';

const PAGE = join(ROOT, 'docs/benchmarks.md');
const PLOTS = join(ROOT, 'docs/benchmarks');
const [BEGIN, END] = ['<!-- results: written by make bench-publish -->', '<!-- end of results -->'];

const [directory = RESULTS] = process.argv.slice(2);
const all = JSON.parse(readFileSync(join(directory, 'latest.json'), 'utf8')) as Results;
const page = readFileSync(PAGE, 'utf8');
const [before, rest] = page.split(BEGIN);
const after = rest?.split(END)[1];
if (after === undefined) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
const drawn = await plots(all);
rmSync(PLOTS, { recursive: true, force: true });
mkdirSync(PLOTS, { recursive: true });
for (const { name, svg } of drawn) writeFileSync(join(PLOTS, `${name}.svg`), svg);
writeFileSync(PAGE, `${before}${BEGIN}\n\n${section(all).join('\n')}\n\n${END}${after}`);
process.stdout.write(`docs/benchmarks.md and ${drawn.length} plots in docs/benchmarks/\n`);

function section({
  at,
  machine,
  rounds,
  secondsPerRound,
  elsewhere,
  notes,
  failures,
  figures,
  curves,
}: Results): string[] {
  const part = (title: string, plot: string, belongs: (figure: Figure) => boolean): string[] => {
    const some = figures.filter(belongs);
    const image = drawn.some(({ name }) => name === plot) ? [`![${title}](benchmarks/${plot}.svg)`, ''] : [];
    return some.length > 0 ? [`### ${title}`, '', ...image, ...figuresTable({ figures: some }), ''] : [];
  };
  const kind = `${machine.cores} cores, Node ${machine.node.replace(/^v(\d+).*/, '$1')}`;
  return [
    `Of ${at.slice(0, 10)}, on a machine with ${kind}: medians of ${rounds} rounds of ${secondsPerRound} s. Other programs`,
    `took ${percent(elsewhere)} of it meanwhile.`,
    '',
    ...[...notes, ...failures.map((failure) => `**Failed**: ${failure}`)].flatMap((line) => [line, '']),
    ...part('Against their goals', 'ratios', ({ target, goal }) => target !== 'S' && goal !== undefined),
    ...part('Scenarios', 'scenarios', ({ target }) => target === 'S'),
    ...part('Without a goal', '', ({ target, goal }) => target !== 'S' && goal === undefined),
    '### Growth',
    ...curves.flatMap((curve) => [
      '',
      `![${curve.title}](benchmarks/growth-${curve.target}.svg)`,
      ...curveTables({ curves: [curve] }).map((line) => line.replace(/^### /, '#### ')),
    ]),
  ];
}
