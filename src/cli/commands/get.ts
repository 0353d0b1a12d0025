/** `get`: prints a document; on a terminal, below its position. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseVersion } from '../input/parse.js';
import { contextLine, documentLines } from '../output/context.js';
import { contextForm } from '../output/json.js';

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('get <id>')
    .description('print a document')
    .addOption(option('--version <n>', 'the document at this version', parseVersion))
    .action((contextId: string, { version = 0 }: { version?: number }) =>
      connected(async (session) => {
        const { out } = session;
        const { context } = await session.call('getContext', { contextId, version, includeExpiries: false });
        await out.print(context && contextForm(context), () => [
          ...(out.terminal && context ? [contextLine(context)] : []),
          ...documentLines(context),
        ]);
      }),
    );
}
