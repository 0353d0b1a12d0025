/** `wait`: waits until a document meets checks, and prints what `sync` would. */
import type { Command } from 'commander';
import type { Position } from '../../gen/chord/v1/model.js';
import { isServiceError } from '../client/errors.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { CHECK_HELP, formatOption, oldValuesOption, pathOption } from '../input/options.js';
import { parseCheck, parsePosition } from '../input/parse.js';
import { syncForm } from '../output/json.js';
import { syncLines } from './sync.js';

/** The status of gRPC, and the exit code for it. */
const DEADLINE_EXCEEDED = 4;
const TOO_LATE = 3;
/** A wait without `--timeout`, in milliseconds: as long as the server lets a wait without a deadline last. */
const WAIT_MAX = 3_600_000;

const HELP = `
All checks must hold at once. A context that does not exist yet can be waited for. With --known, a version since that
position counts too, even where a later one does not meet the checks.

${CHECK_HELP}

Without --timeout the wait ends after an hour. Exit code ${TOO_LATE}: the checks were not met in time.

Examples:
  chord wait job:7 'status="ready"' --timeout 30s
  chord wait shop 'stock>=1' '!closed'
  chord wait job:7 'status="ready"' --known k3J9x0Qa:42:Zz81hT0e
`;

interface WaitFlags {
  readonly known?: Position;
  readonly oldValues?: boolean;
  readonly format?: string;
  readonly path?: string[][];
}

export function define(program: Command, { connected, exitWith }: CommandContext): void {
  program
    .command('wait <id> <check...>')
    .description('wait until a document meets checks; print it, or the changes')
    .addOption(option('--known <position>', 'position of the client; versions since count too', parsePosition))
    .addOption(oldValuesOption())
    .addOption(formatOption())
    .addOption(pathOption())
    .addHelpText('after', HELP)
    .action((contextId: string, checks: string[], { known, oldValues = false, format = '', path = [] }: WaitFlags) =>
      connected(async (session) => {
        const until = checks.map(parseCheck);
        const paths = path.map((keys) => ({ keys }));
        const request = { contextId, known, until, includeOldValues: oldValues, format, paths };
        const timeout = program.getOptionValueSource('timeout') === 'default' ? WAIT_MAX : session.options.timeout;
        try {
          const answer = await session.call('waitContext', request, timeout);
          const form = { ...syncForm(contextId, answer), heldAt: answer.heldAt };
          await session.out.print(form, () => syncLines(contextId, answer));
        } catch (error) {
          if (!isServiceError(error) || error.code !== DEADLINE_EXCEEDED) throw error;
          const message = `${JSON.stringify(contextId)} did not meet the checks in time`;
          session.out.fail({ reason: 'DEADLINE_EXCEEDED', message });
          exitWith(TOO_LATE);
        }
      }),
    );
}
