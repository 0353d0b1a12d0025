/** `export`: saves one context, or all contexts under a prefix, to the external store of the server. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { TARGET_HELP } from '../input/options.js';
import { parseTarget } from '../input/parse.js';
import { followTransfer, transferredForm, transferredLine } from '../output/transfer-progress.js';

const HELP = `
${TARGET_HELP}
The server's --export-url names the external store.

Examples:
  chord export room:1 --history
  chord export '*'
`;

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('export <target>')
    .description('save a context, or all contexts under a prefix, to the external store of the server')
    .option('--history', 'with its deltas, so that clients can resume after a restore')
    .addHelpText('after', HELP)
    .action((text: string, { history = false }: { history?: boolean }) =>
      connected(async (session) => {
        const { kind, name } = parseTarget(text);
        if (kind === 'prefix') {
          const stream = session.stream('exportContexts', { prefix: name, history });
          return followTransfer(session.out, 'exported', stream);
        }
        const { context } = await session.call('exportContext', { contextId: name, history });
        if (context) await session.out.print(transferredForm(context), () => [transferredLine('exported', context)]);
      }),
    );
}
