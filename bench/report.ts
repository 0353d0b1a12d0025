/** Figures as a table for the terminal, as Markdown, and as JSON with what they were measured on. */
import { cpus, totalmem } from 'node:os';
import type { Figure, Goal, Plan } from './figures.js';

export interface Results {
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly secondsPerRound: number;
  readonly rounds: number;
  readonly figures: readonly Figure[];
}

export function results(figures: readonly Figure[], { seconds, rounds }: Plan): Results {
  const [first] = cpus();
  const machine = {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  return { at: new Date().toISOString(), machine, secondsPerRound: seconds, rounds, figures };
}

const HEADER = ['target', 'what', 'ours', 'peer', 'unit', 'peer is', 'ratio', 'goal', ''];

export function table(figures: readonly Figure[]): string {
  const rows = [HEADER, ...figures.map(row)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows
    .map(
      (cells) =>
        `${cells
          .map((cell, i) => cell.padEnd(widths[i]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

export function markdown({ at, machine, secondsPerRound, rounds, figures }: Results): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const { cpu, cores, memoryGiB, node } = machine;
  return `${[
    '# Benchmark results',
    '',
    `${at}; ${cores} x ${cpu}, ${memoryGiB} GiB, Node ${node}; the median of ${rounds} rounds of ${secondsPerRound} s.`,
    'How to read this: [docs/benchmarks.md](../../docs/benchmarks.md).',
    '',
    line(HEADER),
    line(HEADER.map(() => '---')),
    ...figures.map((figure) => line(row(figure))),
  ].join('\n')}\n`;
}

function row({ target, name, ours, peer, unit, against, ratio, goal, met }: Figure): string[] {
  const verdict = met === undefined ? '' : met ? 'met' : 'missed';
  return [target, name, short(ours), short(peer), unit, against, short(ratio), goal ? bound(goal) : '', verdict];
}

function bound(goal: Goal): string {
  if ('ratioAtMost' in goal) return `<= ${goal.ratioAtMost}`;
  return 'ratioAtLeast' in goal ? `>= ${goal.ratioAtLeast}` : `ours <= ${goal.oursAtMost}`;
}

function short(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (value === 0) return '0';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
