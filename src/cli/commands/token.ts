/** `token new` and `token hash`: makes lines for the file that `--auth-tokens` names. No server is called. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Problems } from '../../auth/file-problems.js';
import { newToken, Tokens, tokenLine } from '../../auth/tokens.js';
import type { CommandContext } from '../command.js';
import { Usage } from '../errors.js';
import { option } from '../input/option.js';
import { parseLifetime } from '../input/parse.js';
import type { Output } from '../output/output.js';

const HELP = `
The file has one line for each token: a name, the token's hash, and perhaps when it ends. A name may have several, so
that a new token is good before the old one goes. The server reads the file again when it changes.

Examples:
  chord token new ann --file tokens --expires 90d > ann.token
  openssl rand -hex 32 | tee bob.token | chord token hash bob --file tokens
  chord serve --auth-tokens tokens --auth-rules rules.json
`;

interface TokenOptions {
  /** Add the line here. Absent: print it. */
  readonly file?: string;
  /** How long the token is good, in milliseconds. Absent: until its line is removed. */
  readonly expires?: number;
}

export function define(program: Command, { out }: CommandContext): void {
  const token = program
    .command('token')
    .description('make tokens for the file of --auth-tokens: new, hash')
    .addHelpText('after', HELP);
  const making = (command: Command) =>
    command
      .option('--file <file>', 'add the line to this file')
      .addOption(
        option('--expires <duration>', 'good for this long, like 90d; else until it is removed', parseLifetime),
      );
  making(token.command('new <name>').description('print a random token, and the line with its hash')).action(
    (name: string, options: TokenOptions) => create(name, options, out()),
  );
  making(token.command('hash <name>').description('the line of a token from standard input')).action(
    (name: string, options: TokenOptions) => hash(name, options, out()),
  );
}

/** A random token, printed this one time. */
async function create(name: string, options: TokenOptions, out: Output): Promise<void> {
  const token = newToken();
  const line = keep(name, token, options);
  await out.print({ name, token, line, file: options.file }, () => [
    [['plain', token]],
    ...(options.file === undefined ? [[['plain', line] as const]] : []),
  ]);
  if (!out.json) out.note(`${kept(options)}. The token is printed only here`);
}

/** The line of a token that exists already, from standard input. */
async function hash(name: string, options: TokenOptions, out: Output): Promise<void> {
  const line = keep(name, readFileSync(0, 'utf8').trim(), options);
  await out.print({ name, line, file: options.file }, () => (options.file === undefined ? [[['plain', line]]] : []));
  if (!out.json) out.note(kept(options));
}

/** @returns the line, which is in the file now if one was named */
function keep(name: string, token: string, { file, expires }: TokenOptions): string {
  try {
    const line = tokenLine(name, token, expires === undefined ? undefined : Date.now() + expires);
    if (file === undefined) return line;
    const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
    const added = `${before === '' || before.endsWith('\n') ? '' : '\n'}${line}\n`;
    Tokens.parse(before + added);
    appendFileSync(file, added, { mode: 0o600 });
    return line;
  } catch (error) {
    const where = file !== undefined && error instanceof Problems ? `${file}: ` : '';
    throw new Usage(`${where}${(error as Error).message.replaceAll('\n', '; ')}`);
  }
}

function kept({ file }: TokenOptions): string {
  return file === undefined ? 'the line with the hash belongs into the file of --auth-tokens' : `added to ${file}`;
}
