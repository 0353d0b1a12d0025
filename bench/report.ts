/** Results: as JSON with what they were measured on, as a table for the terminal, as Markdown, as plots. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { type Curve, type Figure, type Finding, type Goal, isCurve, type Point } from './figures.js';
import type { Side } from './load.js';
import type { Plan } from './plan.js';
import { plots } from './plots.js';
import type { Results } from './results.js';
import { ROOT } from './servers.js';

export type Measured = Pick<Results, 'notes' | 'failures' | 'seconds' | 'elsewhere' | 'cards'> & {
  readonly findings: readonly Finding[];
};

export function results({ seconds, rounds }: Plan, { findings, ...measured }: Measured): Results {
  const [first] = cpus();
  const machine = {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const figures = findings.filter((finding): finding is Figure => !isCurve(finding));
  const curves = findings.filter(isCurve);
  return { at: new Date().toISOString(), machine, secondsPerRound: seconds, rounds, ...measured, figures, curves };
}

/** Where `npm run bench` writes. */
export const RESULTS = join(ROOT, 'bench/results');

export async function save(all: Results, directory = RESULTS): Promise<void> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'latest.json'), `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(join(directory, 'latest.md'), markdown(all));
  for (const { name, svg } of await plots(all)) writeFileSync(join(directory, `${name}.svg`), svg);
}

const FIGURES = ['target', 'what', 'ours', 'peer', 'unit', 'peer is', 'ratio', 'rounds', 'goal', ''];

export function table({ figures, curves, notes, failures }: Results): string {
  const parts = figures.length > 0 ? [columns([FIGURES, ...figures.map(figureRow)])] : [];
  for (const curve of curves) {
    parts.push(`${curve.target}: ${curve.title}\n${columns([headerOf(curve), ...curveRows(curve)])}`);
  }
  const said = [...notes, ...failures.map((failure) => `FAILED ${failure}`)];
  if (said.length > 0) parts.push(`${said.join('\n')}\n`);
  return parts.join('\n');
}

export function markdown(all: Results): string {
  const { at, machine, secondsPerRound, rounds, seconds, elsewhere, notes, failures } = all;
  const { cpu, cores, memoryGiB, node } = machine;
  return `${[
    '# Benchmark results',
    '',
    `${at}; ${cores} x ${cpu}, ${memoryGiB} GiB, Node ${node}; the median of ${rounds} rounds of ${secondsPerRound} s;`,
    `${(seconds / 60).toFixed(0)} minutes in all, in which other programs took ${percent(elsewhere)} of the machine.`,
    'How to read this: [docs/benchmarks.md](../../docs/benchmarks.md).',
    ...[...notes, ...failures.map((failure) => `**FAILED** ${failure}`)].flatMap((line) => ['', line]),
    '',
    ...figuresTable(all),
    '',
    '## Both sides',
    '',
    ...sidesTable(all),
    ...curveTables(all),
  ].join('\n')}\n`;
}

/** As lines of Markdown. */
export function figuresTable({ figures }: Pick<Results, 'figures'>): string[] {
  return rows([FIGURES, ...figures.map(figureRow)]);
}

const SIDE = ['µs CPU', 'rounds', 'per second', 'p50 ms', 'p99 ms', 'bytes', 'all have it, ms', 'device bytes'];

function sidesTable({ figures }: Results): string[] {
  const header = ['target', 'what', 'side', ...SIDE];
  const lines = figures.flatMap(({ target, name, sides = [] }) =>
    sides.map((side) => [target, name, side.name, ...sideCells(side)]),
  );
  return rows([header, ...lines]);
}

export function curveTables({ curves }: Pick<Results, 'curves'>): string[] {
  return curves.flatMap((curve) => [
    '',
    `### ${curve.target}: ${curve.title}`,
    '',
    ...rows([headerOf(curve), ...curveRows(curve)]),
  ]);
}

function headerOf({ along, operation }: Curve): string[] {
  return ['what', along, `µs CPU/${operation}`, ...SIDE.slice(1)];
}

function curveRows({ lines }: Curve): string[][] {
  return lines.flatMap(({ name, points }) =>
    points.map((point: Point) => [name, point.x.toLocaleString('en'), ...sideCells(point)]),
  );
}

function sideCells(side: Side): string[] {
  const { cpuPerOperation, rounds, operationsPerSecond, p50, p99, bytesPerOperation, finalMs } = side;
  const spread = range(rounds.map((round) => round.cpuPerOperation));
  const optional = (value: number | undefined) => (value === undefined ? '' : short(value));
  return [
    short(cpuPerOperation),
    spread,
    short(operationsPerSecond),
    short(p50),
    short(p99),
    optional(bytesPerOperation),
    optional(finalMs),
    optional(side.deviceBytesPerOperation),
  ];
}

function figureRow(figure: Figure): string[] {
  const { target, name, ours, peer, unit, against, ratio, goal, verdict = '' } = figure;
  const spread = figure.range ? range(figure.range) : '';
  const bound = goal ? boundOf(goal) : '';
  return [target, name, short(ours), short(peer), unit, against, short(ratio), spread, bound, verdict];
}

function range(values: readonly number[]): string {
  return `${short(Math.min(...values))} - ${short(Math.max(...values))}`;
}

function boundOf(goal: Goal): string {
  if ('ratioAtMost' in goal) return `<= ${goal.ratioAtMost}`;
  return 'ratioAtLeast' in goal ? `>= ${goal.ratioAtLeast}` : `ours <= ${goal.oursAtMost}`;
}

function columns(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((cells) => cells[column]!.length)));
  const padded = lines.map((cells) => cells.map((cell, i) => cell.padEnd(widths[i]!)).join('  '));
  return padded.map((line) => `${line.trimEnd()}\n`).join('');
}

export function rows([header, ...lines]: readonly (readonly string[])[]): string[] {
  const all = [header!, header!.map(() => '---'), ...lines];
  return all.map((cells) => `| ${cells.join(' | ')} |`);
}

export function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}

function short(value: number): string {
  if (!Number.isFinite(value)) return '';
  if (value === 0) return '0';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}
