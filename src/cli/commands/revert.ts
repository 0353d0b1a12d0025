/** `revert`: writes the document of an earlier version as a new version. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { type WriteFlags, withWriteOptions, writeFields } from '../input/options.js';
import { parseVersion } from '../input/parse.js';
import { printWrite } from '../output/write-result.js';

export function define(program: Command, { connected }: CommandContext): void {
  const command = program
    .command('revert <id> <version>')
    .description('write the document of an earlier version as a new version');
  withWriteOptions(command).action((contextId: string, version: string, flags: WriteFlags) =>
    connected(async (session) => {
      const request = { contextId, version: parseVersion(version), ...writeFields(flags) };
      await printWrite(session.out, contextId, await session.call('revertContext', request));
    }),
  );
}
