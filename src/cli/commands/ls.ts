/** `ls`: lists contexts page by page; with --json one object a line. */
import type { Command } from 'commander';
import type { Context } from '../../gen/chord/v1/model.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { formatId, formatPosition, formatValue, isoTime } from '../output/format.js';
import { contextForm } from '../output/json.js';
import { renderTable, type StyledText } from '../output/styled-text.js';

const PAGE_SIZE = 500;

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('ls [prefix]')
    .description('list contexts, in the order of their ids')
    .option('--values', 'print documents too')
    .action((prefix: string | undefined, { values = false }: { values?: boolean }) =>
      connected((session) => list(session, prefix ?? '', values)),
    );
}

async function list(session: Session, prefix: string, includeValues: boolean): Promise<void> {
  const { out } = session;
  let pageToken = '';
  do {
    const page = await session.call('listContexts', { prefix, pageSize: PAGE_SIZE, pageToken, includeValues });
    if (out.json) for (const context of page.contexts) await out.print(contextForm(context), () => []);
    else await out.lines(tableOf(page.contexts, pageToken === ''));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

/** Only the first page has headings. */
function tableOf(contexts: readonly Context[], first: boolean): readonly StyledText[] {
  const rows = contexts.map((context) => [
    formatId(context.contextId),
    formatPosition(context.position),
    isoTime(context.updatedAt) ?? '-',
    isoTime(context.expiresAt) ?? '-',
    ...(context.value ? [formatValue(context.value)] : []),
  ]);
  const table = renderTable(['ID', 'POSITION', 'UPDATED', 'EXPIRES'], rows);
  return first ? table : table.slice(1);
}
