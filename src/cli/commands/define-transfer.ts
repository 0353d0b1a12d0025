/** The commands `export` and `restore`, their arguments and help. */
import type { Command } from 'commander';
import { parseTarget } from '../input/parse.js';
import type { Connected } from '../program.js';
import { TRANSFER } from './help.js';

export function defineTransfer(program: Command, connected: Connected): void {
  program
    .command('export <target>')
    .description('save a context, or all that begin with a prefix, to the external store of the server')
    .option('--history', 'with its deltas, so that clients can resume after a restore')
    .addHelpText('after', TRANSFER)
    .action((target: string, options: { history?: boolean }) =>
      connected(async (session) => (await import('./transfer.js')).exportTo(session, parseTarget(target), options)),
    );
  program
    .command('restore <target>')
    .description('bring back what was exported')
    .option('--overwrite', 'replace contexts that are there')
    .addHelpText('after', TRANSFER)
    .action((target: string, options: { overwrite?: boolean }) =>
      connected(async (session) => (await import('./transfer.js')).restoreFrom(session, parseTarget(target), options)),
    );
}
