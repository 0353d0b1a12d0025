/** `delete`: removes a context with its deltas. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { namedFields, type WriteFlags, withCondition } from '../input/options.js';
import { printDeleted } from '../output/write-result.js';

export function define(program: Command, { connected }: CommandContext): void {
  withCondition(program.command('delete <id>').description('remove a context with its deltas'))
    .option('--allow-missing', 'no error if the context does not exist')
    .action((contextId: string, { allowMissing = false, ...flags }: WriteFlags) =>
      connected(async (session) => {
        const answer = await session.call('deleteContext', { contextId, ...namedFields(flags), allowMissing });
        await printDeleted(session.out, contextId, answer);
      }),
    );
}
