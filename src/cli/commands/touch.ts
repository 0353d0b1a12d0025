/** `touch`: renews the time to live of a context, or of members of its document. */
import type { Command } from 'commander';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parsePath, parseTtl } from '../input/parse.js';
import { printTouched } from '../output/write-result.js';

export function define(program: Command, { connected }: CommandContext): void {
  const paths: { keys: string[] }[] = [];
  program
    .command('touch <id>')
    .description('renew the time to live of a context, or of members of it')
    .addOption(option('--ttl <duration>', 'new time to live; 0: no expiry', parseTtl))
    .addOption(
      option('--path <path>', 'renew this member, and not the context (repeatable)', (text) => {
        paths.push({ keys: parsePath(text) });
      }),
    )
    .action((contextId: string, { ttl }: { ttl?: Duration }) =>
      connected(async (session) => {
        const { context } = await session.call('touchContext', { contextId, ttl, paths });
        await printTouched(session.out, contextId, context);
      }),
    );
}
