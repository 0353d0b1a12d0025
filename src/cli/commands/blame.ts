/** `blame`: a document as a tree; before each part of it stands who made it what it is. With --json one object a line. */
import type { Command } from 'commander';
import { Cause } from '../../gen/chord/v1/model.js';
import type { BlameLine } from '../../gen/chord/v1/sync_service.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { parsePath } from '../input/parse.js';
import { formatId, formatPath, formatValue, isoTime } from '../output/format.js';
import { authorshipForm } from '../output/json.js';
import type { StyledText } from '../output/styled-text.js';
import { widthOf } from '../output/width.js';

const PAGE_SIZE = 1000;

const HELP = `
Each line has the version that made this part what it is, its time, its author, and the annotations of the write.
Elements of lists and characters of strings are told apart. ^ marks what is older than the deltas that are kept.

Examples:
  chord blame room:1
  chord blame room:1 users.ann topic
`;

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('blame <id> [path...]')
    .description('print who made each part of a document what it is')
    .addHelpText('after', HELP)
    .action((contextId: string, paths: readonly string[]) =>
      connected((session) =>
        blame(
          session,
          contextId,
          paths.map((text) => parsePath(text)),
        ),
      ),
    );
}

async function blame(session: Session, contextId: string, paths: readonly string[][]): Promise<void> {
  const { out } = session;
  const lines: BlameLine[] = [];
  for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
    const request = { contextId, paths: paths.map((keys) => ({ keys })), pageSize: PAGE_SIZE, pageToken };
    const page = await session.call('blameContext', request);
    if (out.json) for (const line of page.lines) await out.print(lineForm(line), () => []);
    else lines.push(...page.lines);
    pageToken = page.nextPageToken;
  }
  if (!out.json) await out.lines(tree(lines), process.stdout.columns || undefined);
}

function lineForm({ path, run, value, version, updatedAt, provenance }: BlameLine) {
  return {
    path: path?.keys ?? [],
    ...run,
    version: version || undefined,
    updatedAt: isoTime(updatedAt),
    cause: provenance?.cause ? 'expired' : undefined,
    ...authorshipForm({ provenance }),
    value,
  };
}

/** Objects have lines of their own, without a version, where their first member comes. */
function tree(lines: readonly BlameLine[]): StyledText[] {
  const gutters = lines.map(gutterOf);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...gutters.map((gutter) => widthOf(gutter[column]!))));
  const padded = (cell: string, column: number) => cell + ' '.repeat(widths[column]! - widthOf(cell));
  const blank = widths.map((_, column) => padded('', column)).join('  ');
  let above: readonly string[] = [];
  return lines.flatMap((line, i) => {
    const [version, time, author] = gutters[i]!.map(padded);
    const keys = line.path?.keys ?? [];
    const shared = keys.findIndex((key, depth) => key !== above[depth]);
    const parents = keys.slice(0, -1).flatMap((key, depth): StyledText[] => {
      return shared >= 0 && depth >= shared ? [[['plain', `${blank}  ${indent(depth)}${formatPath([key])}`]]] : [];
    });
    above = keys;
    const text: StyledText = [
      ['cyan', `${version}`],
      ['dim', `  ${time}`],
      ['green', `  ${author}`],
      ['plain', `  ${indent(keys.length - 1)}${placeOf(line)} = ${formatValue(line.value)}`],
      [
        'dim',
        [...(line.provenance?.annotations ?? [])]
          .map(([key, value]) => `  ${formatId(key)}=${formatId(value)}`)
          .join(''),
      ],
    ];
    return [...parents, text];
  });
}

function gutterOf({ version, updatedAt, provenance }: BlameLine): [string, string, string] {
  if (version === 0) return ['^', '', ''];
  const author = provenance?.cause === Cause.EXPIRED ? '(expired)' : formatId(provenance?.author || '-');
  return [`${version}`, isoTime(updatedAt) ?? '', author];
}

/** `topic`, `list[3-5]` */
function placeOf({ path, run }: BlameLine): string {
  const key = path?.keys.at(-1);
  const name = key === undefined ? '{}' : formatPath([key]);
  if (!run) return name;
  return run.count === 1 ? `${name}[${run.index}]` : `${name}[${run.index}-${run.index + run.count - 1}]`;
}

function indent(depth: number): string {
  return '  '.repeat(Math.max(0, depth));
}
