/** `batch`: several writes of different contexts, as one batch. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { type ReturnFlags, requestIdOption, returnFields, withReturning } from '../input/options.js';
import { readText } from '../input/parse.js';
import { parseBatch } from '../input/parse-batch.js';
import { printDeleted, printTouched, printWrite } from '../output/write-result.js';

const HELP = `
The file has one JSON object for each write, one a line or in a JSON array. A member names the operation and the context id:
set with value; update with changes and mutations; revert with version; delete; touch. Every write but touch may have
expected (a position, or absent), or unchanged (a list of paths) with since (a position), and checks (a list, as of
update --check); every write but delete a ttl, update and delete allowMissing.

On Redis, all contexts must be in one partition: ids with the same part in braces are, such as {bank}:ann and {bank}:bob.

Examples:
  chord batch transfer.jsonl --request-id transfer-7
  chord batch - <<'END'
  {"update":"{bank}:ann","mutations":[{"increment":"balance","by":-5}],"expected":"k3J9x0Qa:42:Zz81hT0e"}
  {"update":"{bank}:bob","mutations":[{"increment":"balance","by":5},{"append":"log","values":["from ann"]}]}
  {"set":"{bank}:receipt:7","value":{"amount":5},"ttl":"6h"}
  {"delete":"{bank}:order:7"}
  END
`;

export function define(program: Command, { connected }: CommandContext): void {
  const command = program
    .command('batch <file>')
    .description('several writes of different contexts, all or none; - reads standard input')
    .addOption(requestIdOption('batch'));
  withReturning(command)
    .addHelpText('after', HELP)
    .action((file: string, { requestId = '', ...returning }: ReturnFlags & { requestId?: string }) =>
      connected(async (session) => {
        const writes = parseBatch(readText(file === '-' ? 0 : file), returnFields(returning));
        const { results } = await session.call('batchWrite', { writes, requestId });
        for (const [i, result] of results.entries()) {
          const { $case, value } = writes[i]!.write!;
          if ($case === 'delete') await printDeleted(session.out, value.contextId, result);
          else if ($case === 'touch') await printTouched(session.out, value.contextId, result.context);
          else await printWrite(session.out, value.contextId, result);
        }
      }),
    );
}
