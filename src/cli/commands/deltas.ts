/** `deltas`: prints the retained history page by page; with --json one delta a line. */
import type { Command } from 'commander';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { formatOption, oldValuesOption } from '../input/options.js';
import { parseVersion } from '../input/parse.js';
import { isoTime } from '../output/format.js';
import { deltaForm } from '../output/json.js';
import { renderDelta, renderSpan } from '../output/render.js';

const PAGE_SIZE = 500;

interface DeltasFlags {
  readonly from?: number;
  readonly oldValues?: boolean;
  readonly format?: string;
}

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('deltas <id>')
    .description('print the retained history, oldest first')
    .addOption(option('--from <version>', 'only deltas after this version', parseVersion))
    .addOption(oldValuesOption())
    .addOption(formatOption())
    .action((contextId: string, flags: DeltasFlags) => connected((session) => deltas(session, contextId, flags)));
}

async function deltas(
  session: Session,
  contextId: string,
  { from: fromVersion = 0, oldValues: includeOldValues = false, format = '' }: DeltasFlags,
): Promise<void> {
  let pageToken = '';
  do {
    const request = { contextId, fromVersion, pageSize: PAGE_SIZE, pageToken, includeOldValues, format };
    const page = await session.call('listDeltas', request);
    if (pageToken === '' && page.truncated) session.out.note('older deltas are no longer kept');
    for (const delta of page.deltas) {
      await session.out.print(deltaForm(delta), () => [
        [...renderSpan(delta), ['dim', `  ${isoTime(delta.updatedAt) ?? ''}`]],
        ...renderDelta(delta),
      ]);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}
