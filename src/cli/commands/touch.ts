/** `touch`: renews the time to live of a context. */
import type { Command } from 'commander';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseTtl } from '../input/parse.js';
import { printTouched } from '../output/write-result.js';

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('touch <id>')
    .description("renew a context's time to live")
    .addOption(option('--ttl <duration>', 'new time to live; 0: no expiry', parseTtl))
    .action((contextId: string, { ttl }: { ttl?: Duration }) =>
      connected(async (session) => {
        const { context } = await session.call('touchContext', { contextId, ttl, paths: [] });
        await printTouched(session.out, contextId, context);
      }),
    );
}
