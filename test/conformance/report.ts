/** The matrix: scenarios by drivers. */
import { readFileSync, writeFileSync } from 'node:fs';

export type Outcome = { readonly ok: true; readonly ms: number } | { readonly ok: false; readonly error: string };

/** By scenario, by driver. */
export type Matrix = Map<string, Map<string, Outcome>>;

export function renderMatrix(matrix: Matrix, drivers: readonly string[]): string {
  const rows = [...matrix].map(([scenario, outcomes]) => [
    scenario,
    ...drivers.map((name) => cell(outcomes.get(name))),
  ]);
  const table = [['scenario', ...drivers], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: string[]) => `| ${row.map((text, column) => text.padEnd(widths[column]!)).join(' | ')} |`;
  return [line(table[0]!), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...rows.map(line)].join('\n');
}

function cell(outcome: Outcome | undefined): string {
  if (!outcome) return '-';
  return outcome.ok ? 'ok' : 'FAILED';
}

/** Why a driver has no outcome of some scenarios. */
export function renderExceptions(
  drivers: readonly { readonly name: string; readonly except?: Readonly<Record<string, string>> }[],
): string[] {
  return drivers.flatMap(({ name, except = {} }) =>
    Object.entries(except).map(([beginning, why]) => `\`${beginning}...\` does not apply to ${name}: ${why}.`),
  );
}

/** Every outcome that is none of success, with its reason. */
export function renderFailures(matrix: Matrix): string[] {
  return [...matrix].flatMap(([scenario, outcomes]) =>
    [...outcomes].flatMap(([name, outcome]) => (outcome.ok ? [] : [`${name}: ${scenario}: ${outcome.error}`])),
  );
}

/** Puts the matrix of a backend between its two marks in a page. */
export function keepMatrix(path: URL, backend: string, matrix: string): void {
  const page = readFileSync(path, 'utf8');
  const marks = new RegExp(`(<!-- ${backend} -->\n)[^]*?(<!-- /${backend} -->)`);
  if (!marks.test(page)) throw new Error(`${path.pathname} has no marks for ${backend}`);
  writeFileSync(
    path,
    page.replace(marks, (_, begin, end) => `${begin}\n${matrix}\n\n${end}`),
  );
}
