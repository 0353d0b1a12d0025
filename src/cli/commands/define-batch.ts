/** The command `batch`, its arguments and help. */
import type { Command } from 'commander';
import type { Connected } from '../program.js';
import type { BatchOptions } from './batch.js';
import { BATCH } from './help.js';

export function defineBatch(program: Command, connected: Connected): void {
  program
    .command('batch <file>')
    .description('several writes, each of another context, as one: all or none; - reads standard input')
    .option('--request-id <id>', 'name the batch, so that it can be repeated safely')
    .option('--delta', 'print what changed')
    .option('--old-values', 'with --delta: and what was there before')
    .option('--format <name>', 'with --delta: as flat, json_patch, merge_patch, or a format of the server')
    .addHelpText('after', BATCH)
    .action((file: string, options: BatchOptions) =>
      connected(async (session) => (await import('./batch.js')).batch(session, file, options)),
    );
}
