/**
 * `make bench-publish`: takes the last run into docs/: its tables into docs/benchmarks.md, between the marks there, its
 * plots into docs/benchmarks/. A run of some targets replaces theirs alone: bench/published.json has all that stand there,
 * each with its card. Says of the machine only of which kind it is.
 *
 *     npx tsx bench/publish.ts [DIRECTORY with latest.json]
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure } from './figures.js';
import { plots } from './plots.js';
import { merged } from './published.js';
import { curveTables, figuresTable, percent, RESULTS, rows } from './report.js';
import type { Card, Results } from './results.js';
import { ROOT } from './servers.js';

const PAGE = join(ROOT, 'docs/benchmarks.md');
const PLOTS = join(ROOT, 'docs/benchmarks');
const PUBLISHED = join(ROOT, 'bench/published.json');
const [BEGIN, END] = ['<!-- results: written by make bench-publish -->', '<!-- end of results -->'];

const [directory = RESULTS] = process.argv.slice(2);
const run = JSON.parse(readFileSync(join(directory, 'latest.json'), 'utf8')) as Results;
const machine = { ...run.machine, cpu: '', memoryGiB: 0 };
const all = merged(JSON.parse(readFileSync(PUBLISHED, 'utf8')) as Results, { ...run, machine });
const page = readFileSync(PAGE, 'utf8');
const [before, rest] = page.split(BEGIN);
const after = rest?.split(END)[1];
if (after === undefined) throw new Error(`${PAGE} lacks the marks ${BEGIN} and ${END}`);
const drawn = await plots(all);
rmSync(PLOTS, { recursive: true, force: true });
mkdirSync(PLOTS, { recursive: true });
for (const { name, svg } of drawn) writeFileSync(join(PLOTS, `${name}.svg`), svg);
writeFileSync(PAGE, `${before}${BEGIN}\n\n${section(all).join('\n')}\n\n${END}${after}`);
writeFileSync(PUBLISHED, `${JSON.stringify(all, null, 1)}\n`);
process.stdout.write(
  `${Object.keys(run.cards).join(', ')} into docs/benchmarks.md; ${drawn.length} plots in docs/benchmarks/\n`,
);

function section({ machine, cards, notes, failures, figures, curves }: Results): string[] {
  const part = (title: string, plot: string, belongs: (figure: Figure) => boolean): string[] => {
    const some = figures.filter(belongs);
    const image = drawn.some(({ name }) => name === plot) ? [`![${title}](benchmarks/${plot}.svg)`, ''] : [];
    return some.length > 0 ? [`### ${title}`, '', ...image, ...figuresTable({ figures: some }), ''] : [];
  };
  const kind = `${machine.cores} cores, Node ${machine.node.replace(/^v(\d+).*/, '$1')}`;
  return [
    `On a machine with ${kind}. Targets were measured in these runs; *others took* is the part of all cores that other`,
    'programs had meanwhile, and a `+` means changes since that commit:',
    '',
    ...cardsTable(cards),
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

/** One line for all targets with the same card, by the day. */
function cardsTable(cards: Results['cards']): string[] {
  const lines = new Map<string, string[]>();
  for (const [target, card] of Object.entries(cards)) {
    const key = cardCells(card).join(' | ');
    lines.set(key, [...(lines.get(key) ?? []), target]);
  }
  const header = ['targets', 'date', 'commit', 'rounds', 'others took'];
  return rows([header, ...[...lines].map(([key, targets]) => [targets.join(', '), key])]);
}

function cardCells({ at, commit, rounds, secondsPerRound, elsewhere }: Card): string[] {
  return [at.slice(0, 10), commit, `${rounds} of ${secondsPerRound} s`, percent(elsewhere)];
}
