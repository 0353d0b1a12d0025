/** `get`: prints a document; on a terminal, below its position. */
import type { Command } from 'commander';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseTime, parseVersion } from '../input/parse.js';
import { contextLine, documentLines, expiryLine } from '../output/context.js';
import { contextForm, expiryForm } from '../output/json.js';

interface GetFlags {
  readonly version?: number;
  readonly at?: Timestamp;
  readonly expiries?: boolean;
}

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('get <id>')
    .description('print a document')
    .addOption(option('--version <n>', 'the document at this version', parseVersion))
    .addOption(option('--at <time>', 'the document as it was then, like 2026-11-01T12:00Z', parseTime))
    .option('--expiries', 'also print which members expire, and when')
    .action((contextId: string, { version = 0, at, expiries: wanted = false }: GetFlags) =>
      connected(async (session) => {
        const { out } = session;
        const request = { contextId, version, at, includeExpiries: wanted };
        const { context, expiries } = await session.call('getContext', request);
        const form = context && { ...contextForm(context), ...(wanted && { expiries: expiries.map(expiryForm) }) };
        await out.print(form, () => [
          ...(out.terminal && context ? [contextLine(context)] : []),
          ...documentLines(context),
          ...expiries.map(expiryLine),
        ]);
      }),
    );
}
