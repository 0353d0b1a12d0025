/** The command `top`, its arguments and help. */
import { type Command, Option } from 'commander';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { parseTtl } from '../input/parse.js';
import type { Connected } from '../program.js';
import { TOP } from './help.js';

export function defineTop(program: Command, connected: Connected): void {
  program
    .command('top')
    .description('show what a server does: rates, hottest contexts, watchers, latencies')
    .addOption(new Option('--interval <duration>', 'how often').argParser(parseTtl))
    .option('--once', 'one interval, then end')
    .addHelpText('after', TOP)
    .action((options: { interval?: Duration; once?: boolean }) =>
      connected(async (session) => {
        const [{ top }, { interrupted }] = await Promise.all([import('./top.js'), import('./watch.js')]);
        await top(session, { ...options, signal: interrupted() });
      }),
    );
}
