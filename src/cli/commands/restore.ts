/** `restore`: restores one context, or all contexts under a prefix, from the external store of the server. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { TARGET_HELP } from '../input/options.js';
import { parseTarget } from '../input/parse.js';
import { followTransfer, transferredForm, transferredLine } from '../output/transfer-progress.js';

const HELP = `
${TARGET_HELP}
The server's --export-url names the external store.

Examples:
  chord restore room:1
  chord restore 'room:*' --overwrite
`;

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('restore <target>')
    .description('restore exported contexts')
    .option('--overwrite', 'replace existing contexts')
    .addHelpText('after', HELP)
    .action((text: string, { overwrite = false }: { overwrite?: boolean }) =>
      connected(async (session) => {
        const { kind, name } = parseTarget(text);
        if (kind === 'prefix') {
          const stream = session.stream('restoreContexts', { prefix: name, overwrite });
          return followTransfer(session.out, 'restored', stream);
        }
        const { context } = await session.call('restoreContext', { contextId: name, overwrite });
        if (context) await session.out.print(transferredForm(context), () => [transferredLine('restored', context)]);
      }),
    );
}
