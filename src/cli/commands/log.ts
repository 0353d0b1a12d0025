/** `log`: one line for each retained version, newest first; with --json one object a line. */
import type { Command } from 'commander';
import { ChangeAction, type Delta } from '../../gen/chord/v1/model.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseCount } from '../input/parse.js';
import { formatId, formatPath, formatPosition, isoTime } from '../output/format.js';
import { authorshipForm, causeOf } from '../output/json.js';
import type { StyledText } from '../output/styled-text.js';

const PAGE_SIZE = 500;
/** The most paths that one line of the log names. */
const PATHS_MAX = 5;

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('log <id>')
    .description('print one line for each retained version, newest first')
    .addOption(option('--limit <n>', 'maximum number', parseCount))
    .action((contextId: string, { limit }: { limit?: number }) =>
      connected((session) => log(session, contextId, limit)),
    );
}

async function log(session: Session, contextId: string, limit = Number.POSITIVE_INFINITY): Promise<void> {
  const page = { contextId, includeOldValues: false, format: '' };
  const { head } = await session.call('listDeltas', { ...page, fromVersion: 0, pageSize: 1, pageToken: '' });
  const fromVersion = Math.max(0, (head?.version ?? 0) - limit);
  const deltas: Delta[] = [];
  let truncated = false;
  for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
    const answer = await session.call('listDeltas', { ...page, fromVersion, pageSize: PAGE_SIZE, pageToken });
    truncated ||= answer.truncated;
    deltas.push(...answer.deltas);
    pageToken = answer.nextPageToken;
  }
  const { out } = session;
  for (const delta of deltas.slice(-limit).reverse()) {
    if (out.json) await out.print(logForm(delta), () => []);
    else await out.lines([logLine(delta)], process.stdout.columns || undefined);
  }
  if (truncated) out.note('older deltas are no longer kept');
}

function logForm(delta: Delta) {
  return {
    version: delta.to?.version,
    position: formatPosition(delta.to),
    updatedAt: isoTime(delta.updatedAt),
    cause: causeOf(delta),
    ...authorshipForm(delta),
    ...countsOf(delta),
    paths: delta.changes.map(({ path }) => path),
  };
}

/** `42  2026-11-22T11:42:51.000Z  +1 ~2 -0  users.ann, topic  ann  ticket=7` */
function logLine(delta: Delta): StyledText {
  const { added, modified, removed } = countsOf(delta);
  const paths = delta.changes.slice(0, PATHS_MAX).map(({ path }) => formatPath(path));
  const cause = causeOf(delta);
  const { author, annotations = [] } = delta.provenance ?? {};
  const more = delta.changes.length > PATHS_MAX ? `, ... ${delta.changes.length - PATHS_MAX} more` : '';
  return [
    ['cyan', `${delta.to?.version ?? '-'}`],
    ['dim', `  ${isoTime(delta.updatedAt) ?? '-'}  `],
    ['green', `+${added} `],
    ['yellow', `~${modified} `],
    ['red', `-${removed}`],
    ['plain', `  ${paths.join(', ')}${more}`],
    ['dim', cause ? `  (${cause})` : ''],
    ['dim', author ? `  ${formatId(author)}` : ''],
    ['dim', [...annotations].map(([key, value]) => `  ${formatId(key)}=${formatId(value)}`).join('')],
  ];
}

function countsOf({ changes }: Delta) {
  const count = (...actions: ChangeAction[]) => changes.filter(({ action }) => actions.includes(action)).length;
  return {
    added: count(ChangeAction.ADDED),
    modified: count(ChangeAction.MODIFIED, ChangeAction.SPLICED),
    removed: count(ChangeAction.REMOVED),
  };
}
