/** `npm run bench:hostile`: what one caller can make a server do. See docs/benchmarks.md. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { size } from './hostile/attacker.js';
import { rows } from './hostile/rows.js';
import { type Result, Runner } from './hostile/run.js';
import { killAll } from './measure.js';
import { builtFile } from './servers.js';

const HELP = `Usage: npm run -s bench:hostile -- [options]

Attacks real servers, one request or a few at a time, and measures what that costs them and other callers.

Options:
  --only NAME,NAME    these rows only; a name that ends in * stands for all that begin so
  --server FILE       the dist/main.js to attack, in place of this build's
  --seconds S         of CPU time; a row that takes more, or eight times as long, is cut off (60)
  --gigabytes G       a server that grows beyond is killed (8)
  --json              print the results as JSON, in place of the table
  --list              list the rows
  --help              this text
`;

const TITLES = ['row', 'CPU s', 'RSS peak', 'of it heap', 'kept', 'turn', 'stall', 'server', 'answer'];
const WIDTHS = [14, 6, 8, 10, 8, 8, 9, 13, 0];

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void killAll().then(() => process.exit(130)));
}
process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      server: { type: 'string' },
      seconds: { type: 'string', default: '60' },
      gigabytes: { type: 'string', default: '8' },
      json: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return print(HELP);
  if (values.list) return print(`${rows.map(({ name, what }) => `${name.padEnd(16)} ${what}`).join('\n')}\n`);
  const wanted = values.only?.split(',') ?? ['*'];
  const chosen = rows.filter(({ name }) => wanted.some((each) => matches(each, name)));
  const unknown = wanted.filter((each) => !rows.some(({ name }) => matches(each, name)));
  if (unknown.length > 0) {
    process.stderr.write(`bench: no such row: ${unknown.join(', ')}; --list lists them\n`);
    return 2;
  }
  const main = values.server ? resolve(values.server) : builtFile('main.js');
  const limits = { seconds: Number(values.seconds), bytes: Number(values.gigabytes) * 2 ** 30 };
  let heading = '';
  const say = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${heading} | ${text}`);
  };
  const runner = new Runner(main, limits, say);
  const results: Result[] = [];
  // The table shows how far it has come, also where it is not what is wanted.
  const out = values.json ? process.stderr : process.stdout;
  out.write(line(TITLES));
  for (const [n, row] of chosen.entries()) {
    heading = `[${n + 1}/${chosen.length}] ${row.name}: ${row.what}`;
    if (!process.stderr.isTTY) process.stderr.write(`${heading}\n`);
    say('starts');
    const result = await runner.run(row);
    results.push(result);
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    out.write(line(cells(result, limits.seconds)));
  }
  runner.close();
  return values.json ? print(`${JSON.stringify(results, null, 2)}\n`) : 0;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function line(cells: readonly string[]): string {
  return `${cells.map((cell, n) => (n === 0 || n > 6 ? cell.padEnd(WIDTHS[n]!) : cell.padStart(WIDTHS[n]!))).join('  ')}\n`;
}

function cells(result: Result, seconds: number): string[] {
  const { name, cpu, peakGrowth, peakHeapGrowth, keptGrowth, longestTurn, longestStall, killed, ended, answer } =
    result;
  const why = { time: `over ${seconds} s`, memory: 'too large' };
  const server = killed ? why[killed] : ended ? `died: ${ended}` : 'alive';
  const grown = [peakGrowth, peakHeapGrowth, ended ? 0 : keptGrowth].map((bytes) => `+${size(Math.max(0, bytes))}`);
  return [
    name,
    cpu.toFixed(2),
    ...grown,
    `${Math.round(longestTurn)} ms`,
    `${Math.round(longestStall)} ms`,
    server,
    answer,
  ];
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}
