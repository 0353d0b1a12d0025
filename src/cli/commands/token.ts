/** `token new` and `token hash`: makes lines for the file that `--auth-tokens` names. No server is called. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Problems } from '../../auth/file-problems.js';
import { newToken, Tokens, tokenLine } from '../../auth/tokens.js';
import type { CommandContext } from '../command.js';
import { Usage } from '../errors.js';
import { option } from '../input/option.js';
import { parseMs } from '../input/parse.js';
import type { Output } from '../output/output.js';

const HELP = `
The file has one line for each token: a name, the token's hash, and optionally its expiry. A name may have several
tokens: add the new one before you remove the old one. The server reads the file again when it changes.

Examples:
  chord token new ann --file tokens --expires 90d --secret-file ann.token
  chord token hash bob --file tokens < bob.token
  chord serve --auth-tokens tokens --auth-rules rules.json
`;

interface TokenOptions {
  /** Path of the file to append the line to. Absent: print the line. */
  readonly file?: string;
  /** Lifetime of the token in milliseconds. Absent: the token is valid until its line is removed. */
  readonly expires?: number;
  /** Write the token here. Absent: print it. */
  readonly secretFile?: string;
}

export function define(program: Command, { out }: CommandContext): void {
  const token = program
    .command('token')
    .description('make tokens for the file of --auth-tokens: new, hash')
    .addHelpText('after', HELP);
  const making = (command: Command) =>
    command
      .option('--file <file>', 'add the line to this file')
      .addOption(option('--expires <duration>', 'good for this long, like 90d; else until it is removed', parseMs));
  making(token.command('new <name>').description('make a random token, and the line with its hash'))
    .option('--secret-file <file>', 'write the token to this new file, for its owner alone; else print it')
    .action((name: string, options: TokenOptions) => create(name, options, out()));
  making(token.command('hash <name>').description('the line of a token from standard input')).action(
    (name: string, options: TokenOptions) => hash(name, options, out()),
  );
}

/** A random token, written or printed this one time. */
async function create(name: string, options: TokenOptions, out: Output): Promise<void> {
  const token = newToken();
  const { file, secretFile } = options;
  if (secretFile !== undefined) writeSecret(secretFile, token);
  let line: string;
  try {
    line = keep(name, token, options);
  } catch (error) {
    if (secretFile !== undefined) rmSync(secretFile);
    throw error;
  }
  const printed = secretFile === undefined ? { token } : { secretFile };
  await out.print({ name, ...printed, line, file }, () => [
    ...(secretFile === undefined ? [[['plain', token] as const]] : []),
    ...(file === undefined ? [[['plain', line] as const]] : []),
  ]);
  const where = secretFile === undefined ? 'printed only here' : `in ${secretFile}`;
  if (!out.json) out.note(`${kept(options)}. The token is ${where}`);
}

/** Of a file that exists already, others may know the name, or have it open. */
function writeSecret(file: string, token: string): void {
  try {
    writeFileSync(file, `${token}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw new Usage(`the token cannot be written: ${(error as Error).message}`);
  }
}

/** Makes the line of an existing token, read from standard input. */
async function hash(name: string, options: TokenOptions, out: Output): Promise<void> {
  const line = keep(name, readFileSync(0, 'utf8').trim(), options);
  await out.print({ name, line, file: options.file }, () => (options.file === undefined ? [[['plain', line]]] : []));
  if (!out.json) out.note(kept(options));
}

/** Appends the line to the file, if one is named. @returns the line */
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
