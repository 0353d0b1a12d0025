/** The commands `backup` and `verify`, their arguments and help. */
import type { Command } from 'commander';
import type { Output } from '../output/output.js';
import type { Connected } from '../program.js';
import { BACKUP, VERIFY } from './help.js';

export function defineUpkeep(program: Command, connected: Connected, out: () => Output): void {
  program
    .command('backup <dir>')
    .description('copy all that a server on lmdb holds into a new data directory, while it serves')
    .option('--data-dir <dir>', 'not of a server, but of a data directory that nobody serves')
    .addHelpText('after', BACKUP)
    .action(async (directory: string, { dataDir }: { dataDir?: string }) => {
      const { backupDirectory, backupServer } = await import('./backup.js');
      if (dataDir !== undefined) await backupDirectory(out(), dataDir, directory);
      else await connected((session) => backupServer(session, directory));
    });
  program
    .command('verify <dir>')
    .description('read everything in a data directory or backup that nobody serves, and tell what is wrong')
    .addHelpText('after', VERIFY)
    .action(async (directory: string) => (await import('./verify.js')).verifyDirectory(out(), directory));
}
