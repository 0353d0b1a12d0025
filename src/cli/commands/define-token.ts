/** The commands `token new` and `token hash`, their arguments and help. */
import type { Command } from 'commander';
import { option } from '../input/option.js';
import { parseMs } from '../input/parse.js';
import type { Output } from '../output/output.js';
import { TOKEN } from './help.js';
import type { TokenOptions } from './token.js';

export function defineToken(program: Command, out: () => Output): void {
  const token = program
    .command('token')
    .description('make tokens for the file of --auth-tokens: new, hash')
    .addHelpText('after', TOKEN);
  const making = (command: Command) =>
    command
      .option('--file <file>', 'add the line to this file')
      .addOption(option('--expires <duration>', 'good for this long, like 90d; else until it is removed', parseMs));
  making(token.command('new <name>').description('print a random token, and the line with its hash')).action(
    async (name: string, options: TokenOptions) => (await import('./token.js')).create(name, options, out()),
  );
  making(token.command('hash <name>').description('the line of a token from standard input')).action(
    async (name: string, options: TokenOptions) => (await import('./token.js')).hash(name, options, out()),
  );
}
