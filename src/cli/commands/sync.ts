/** `sync`: prints the changes since a position. */
import type { Command } from 'commander';
import type { Position } from '../../gen/chord/v1/model.js';
import type { SyncContextResponse } from '../../gen/chord/v1/sync_service.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { formatOption, oldValuesOption, pathOption } from '../input/options.js';
import { parsePosition } from '../input/parse.js';
import { contextLine, documentLines } from '../output/context.js';
import { formatId, formatPosition } from '../output/format.js';
import { syncForm } from '../output/json.js';
import { reasonText, renderDelta, renderSpan } from '../output/render.js';
import type { StyledText } from '../output/styled-text.js';

interface SyncFlags {
  readonly known?: Position;
  readonly oldValues?: boolean;
  readonly format?: string;
  readonly path?: string[][];
}

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('sync <id>')
    .description('print the changes since a position: a delta, the document, or nothing')
    .addOption(option('--known <position>', 'position of the client', parsePosition))
    .addOption(oldValuesOption())
    .addOption(formatOption())
    .addOption(pathOption())
    .action((contextId: string, { known, oldValues = false, format = '', path = [] }: SyncFlags) =>
      connected(async (session) => {
        const paths = path.map((keys) => ({ keys }));
        const request = { contextId, known, includeOldValues: oldValues, format, paths };
        const answer = await session.call('syncContext', request);
        await session.out.print(syncForm(contextId, answer), () => syncLines(contextId, answer));
      }),
    );
}

export function syncLines(contextId: string, { result }: Pick<SyncContextResponse, 'result'>): readonly StyledText[] {
  switch (result?.$case) {
    case 'full': {
      const { context, reason } = result.value;
      const heading: StyledText = context ? contextLine(context) : [];
      return [[...heading, ['dim', ` (full: ${reasonText(reason)})`]], ...documentLines(context)];
    }
    case 'delta':
      return [renderSpan(result.value), ...renderDelta(result.value)];
    default:
      return [
        [
          ['cyan', formatId(contextId)],
          ['plain', ` no change at ${formatPosition(result?.value.position)}`],
        ],
      ];
  }
}
