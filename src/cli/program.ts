/** The commands, their arguments and help. What a command does is loaded when it runs, so that `--help` is quick. */
import { Command, CommanderError } from 'commander';
import { version } from '../server/version.js';
import type { Session } from './client/client.js';
import { type ConnectionOptions, connectionOptions } from './client/connection.js';
import { exitCode, toFailure, Usage } from './client/errors.js';
import type { CleanupRunFlags, TuneOptions } from './commands/cleanup.js';
import { defineBatch } from './commands/define-batch.js';
import { defineToken } from './commands/define-token.js';
import { defineTop } from './commands/define-top.js';
import { defineTransfer } from './commands/define-transfer.js';
import { defineUpkeep } from './commands/define-upkeep.js';
import * as help from './commands/help.js';
import type { WriteFlags } from './commands/writes.js';
import { option } from './input/option.js';
import * as parse from './input/parse.js';
import { Output } from './output/output.js';

interface GlobalOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** @returns the exit code: 0 done, 1 failed, 2 wrong usage */
export async function run(args: readonly string[]): Promise<number> {
  const program = new Command('chord');
  try {
    const code = await define(program, args);
    await program.parseAsync(args, { from: 'user' });
    return code();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const usage = error instanceof CommanderError ? asUsage(error) : error;
    const failure = await toFailure(usage, program.opts<GlobalOptions>());
    // The flag may stand behind what was wrong, where the parser never came.
    new Output(args.includes('--json')).fail(failure);
    return exitCode(failure);
  }
}

/** Defines all commands. @returns what the exit code is once they have run */
async function define(program: Command, args: readonly string[]): Promise<() => number> {
  let code = 0;
  program
    .description('Versioned shared state: named JSON documents, deltas, and watches that stay current.')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // run() tells errors, in one form
    .option('--json', 'print JSON, also for errors')
    .addHelpText('after', help.GENERAL);
  for (const each of connectionOptions()) program.addOption(each);
  // There it names a version of the document.
  if (!args.includes('get')) program.version(version(), '--version', 'print the version');
  const out = () => new Output(program.opts<GlobalOptions>().json ?? false);

  await defineServe(program, args, out, (served) => {
    code = served;
  });

  defineToken(program, out);

  program.configureHelp({ showGlobalOptions: true }); // from here on: they mean nothing to the ones above
  const connected = async (work: (session: Session) => Promise<void>) => {
    const { Session } = await import('./client/client.js');
    const session = new Session(program.opts<GlobalOptions>(), out());
    try {
      await work(session);
    } finally {
      session.close();
    }
  };
  defineWrites(program, connected);
  defineBatch(program, connected);
  defineReads(program, connected);
  defineCleanup(program, connected);
  defineTransfer(program, connected);
  defineUpkeep(program, connected, out);
  defineTop(program, connected);
  return () => code;
}

/** Runs a command's work with a connection. */
export type Connected = (work: (session: Session) => Promise<void>) => Promise<void>;

async function defineServe(program: Command, args: readonly string[], out: () => Output, done: (code: number) => void) {
  const command = program
    .command('serve')
    .description('run a server')
    .option('--config <file>', 'JSON file with settings, by their names in --print-config (CHORD_CONFIG)')
    .option('--print-config', 'print the settings and where each comes from, and end')
    .option('--plugin <file>', "module with a store, external store (provider), clock or formatters of one's own")
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', help.SERVE)
    .action(async ({ config, printConfig, plugin, ...settings }, { args: rest }: Command) => {
      const { serve } = await import('./commands/serve.js');
      const strays = connectionOptions().filter((each) => program.getOptionValueSource(each.attributeName()) === 'cli');
      const options = {
        settings,
        config,
        printConfig,
        plugin,
        rest: [...rest, ...strays.map(({ long }) => `${long}`)],
      };
      done(await serve(options, out()));
    });
  if (!args.includes('serve')) return; // the table of settings is the slow part
  const { envOf, flagOf, KEYS, SETTINGS } = await import('../config/config.js');
  for (const key of KEYS) {
    const { placeholder, help, default: fallback, format } = SETTINGS[key];
    const standard = (format as (value: unknown) => string)(fallback);
    const value = typeof fallback === 'boolean' ? `[${placeholder}]` : `<${placeholder}>`;
    command.option(`--${flagOf(key)} ${value}`, `${help} (${envOf(key)}, default ${standard})`);
  }
}

function defineWrites(program: Command, connected: Connected): void {
  const write = (command: Command) =>
    command
      .addOption(option('--expected <position>', 'only if it stands here: a position, or absent', parse.parseExpected))
      .option('--request-id <id>', 'name this write, so that it can be repeated safely');
  const changing = (command: Command) =>
    write(command)
      .addOption(option('--ttl <duration>', 'time to live; 0: until it is deleted', parse.parseTtl))
      .option('--delta', 'print what changed')
      .option('--old-values', 'with --delta: and what was there before')
      .option('--format <name>', 'with --delta: as flat, json_patch, merge_patch, or a format of the server');

  changing(program.command('set <id> <document>').description('create a context, or replace its document'))
    .addHelpText('after', help.DOCUMENT)
    .action((id: string, document: string, options: WriteFlags) =>
      connected(async (session) =>
        (await import('./commands/writes.js')).set(session, id, parse.parseDocument(document), options),
      ),
    );

  const mutations: ReturnType<typeof parse.parseMutation>[] = []; // in the order of the command line
  const mutation = (kind: parse.MutationKind, value: string, description: string) =>
    option(`--${kind} <${value}>`, description, (text) => void mutations.push(parse.parseMutation(kind, text)));
  changing(
    program.command('update <id> [document]').description('merge a partial document, then apply the flags in order'),
  )
    .addOption(mutation('set', 'path=json', 'store a value'))
    .addOption(mutation('remove', 'path', 'remove a member'))
    .addOption(mutation('increment', 'path=number', 'add to a number'))
    .addOption(mutation('append', 'path=json', 'add one element to a list'))
    .option('--allow-missing', 'start from {} where the context is missing')
    .addHelpText('after', help.UPDATE)
    .action((id: string, document: string | undefined, options: WriteFlags) =>
      connected(async (session) => {
        const changes = document === undefined ? undefined : parse.parseDocument(document);
        await (await import('./commands/writes.js')).update(session, id, changes, mutations, options);
      }),
    );

  changing(
    program.command('revert <id> <version>').description('make a document again what it was at a version'),
  ).action((id: string, version: string, options: WriteFlags) =>
    connected(async (session) =>
      (await import('./commands/writes.js')).revert(session, id, parse.parseVersion(version), options),
    ),
  );

  write(program.command('delete <id>').description('remove a context with its deltas'))
    .option('--allow-missing', 'no error where it is missing already')
    .action((id: string, options: WriteFlags) =>
      connected(async (session) => (await import('./commands/writes.js')).remove(session, id, options)),
    );

  program
    .command('touch <id>')
    .description("renew a context's time to live")
    .addOption(option('--ttl <duration>', 'a new one; 0: until it is deleted', parse.parseTtl))
    .action((id: string, options: WriteFlags) =>
      connected(async (session) => (await import('./commands/writes.js')).touch(session, id, options.ttl)),
    );
}

function defineReads(program: Command, connected: Connected): void {
  const oldValues = () => option('--old-values', 'print what was there before, too');
  const format = () => option('--format <name>', 'deltas as flat, json_patch, merge_patch, or a format of the server');
  const path = () =>
    option('--path <path>', 'only this part of documents; repeatable').argParser(
      (text: string, before?: string[][]) => [...(before ?? []), parse.parsePath(text)],
    );

  program
    .command('get <id>')
    .description('print a document')
    .addOption(option('--version <n>', 'as it was at this version', parse.parseVersion))
    .action((id: string, options) =>
      connected(async (session) => (await import('./commands/reads.js')).get(session, id, options)),
    );

  program
    .command('ls [prefix]')
    .description('list contexts, in the order of their ids')
    .option('--values', 'with their documents')
    .action((prefix: string | undefined, options: { values?: boolean }) =>
      connected(async (session) => (await import('./commands/reads.js')).list(session, prefix ?? '', options)),
    );

  program
    .command('sync <id>')
    .description('print what a client lacks: a delta, the document, or nothing')
    .addOption(option('--known <position>', 'where the client stands', parse.parsePosition))
    .addOption(oldValues())
    .addOption(format())
    .addOption(path())
    .action((id: string, options) =>
      connected(async (session) => (await import('./commands/reads.js')).sync(session, id, options)),
    );

  program
    .command('deltas <id>')
    .description('print the retained history, oldest first')
    .addOption(option('--from <version>', 'only what came after it', parse.parseVersion))
    .addOption(oldValues())
    .addOption(format())
    .action((id: string, options) =>
      connected(async (session) => (await import('./commands/reads.js')).deltas(session, id, options)),
    );

  program
    .command('log <id>')
    .description('print one line for each retained version, newest first')
    .addOption(option('--limit <n>', 'at most so many', parse.parseCount))
    .action((id: string, options: { limit?: number }) =>
      connected(async (session) => (await import('./commands/history.js')).log(session, id, options.limit)),
    );

  program
    .command('diff <id> <from> [to]')
    .description('print what changed between two retained versions, or from one to now')
    .addOption(oldValues())
    .action((id: string, from: string, to: string | undefined, options: { oldValues?: boolean }) =>
      connected(async (session) => {
        const versions = [parse.parseCount(from), to === undefined ? 0 : parse.parseCount(to)] as const;
        await (await import('./commands/history.js')).diff(session, id, ...versions, options.oldValues ?? false);
      }),
    );

  const known = new Map<string, ReturnType<typeof parse.parsePosition>>();
  program
    .command('watch <target...>')
    .description('print every change as it happens, until Ctrl-C')
    .addOption(
      option(
        '--known <id=position>',
        'where you stand already; repeatable',
        (text) => void known.set(...parse.parseKnown(text)),
      ),
    )
    .addOption(oldValues())
    .addOption(format())
    .addOption(path())
    .addHelpText('after', help.WATCH)
    .action((names: string[], options: { oldValues?: boolean; format?: string; path?: string[][] }) =>
      connected(async (session) => {
        const { interrupted, watch } = await import('./commands/watch.js');
        const { oldValues = false, format = '', path: paths = [] } = options;
        const targets = names.map(parse.parseTarget);
        await watch(session, { targets, known, oldValues, format, paths, signal: interrupted() });
      }),
    );
}

function defineCleanup(program: Command, connected: Connected): void {
  const cleanup = program
    .command('cleanup')
    .description('remove old deltas, and contexts that nobody uses: run, start, stop, update, status')
    .addHelpText('after', help.CLEANUP);
  const call = <T>(
    work: (module: typeof import('./commands/cleanup.js'), session: Session, options: T) => Promise<void>,
  ) => {
    return (options: T) => connected(async (session) => work(await import('./commands/cleanup.js'), session, options));
  };
  const rules = (command: Command) =>
    command
      .addOption(option('--context-auto-delete <true|false>', 'remove contexts that nobody uses', parse.parseFlag))
      .addOption(option('--context-ttl <duration>', 'this long after their last write or touch', parse.parseTtl))
      .addOption(option('--delta-ttl <duration>', 'how long deltas are kept', parse.parseTtl))
      .addOption(option('--delta-threshold <n>', 'how many deltas of a context are kept', parse.parseCount))
      .addOption(option('--request-ttl <duration>', 'how long request ids are remembered', parse.parseTtl));
  const interval = () => option('--interval <duration>', 'how often', parse.parseTtl);

  rules(cleanup.command('run').description('sweep once, now'))
    .option('--dry-run', 'remove nothing, only tell')
    .addOption(option('--limit <n>', 'at most this many contexts', parse.parseCount))
    .option('--prefix <prefix>', 'only contexts whose ids begin with this')
    .action(call<CleanupRunFlags>((module, session, options) => module.run(session, options)));
  rules(cleanup.command('start').description('sweep at intervals').addOption(interval())).action(
    call<TuneOptions>((module, session, options) => module.start(session, options)),
  );
  rules(cleanup.command('update').description('change interval or options').addOption(interval())).action(
    call<TuneOptions>((module, session, options) => module.update(session, options)),
  );
  cleanup
    .command('stop')
    .description('sweep no more')
    .action(call((module, session) => module.stop(session)));
  cleanup
    .command('status')
    .description('how cleanup is set, and what it has done')
    .action(call((module, session) => module.status(session)));
}

/** Commander's words without its prefix, on one line. */
function asUsage(error: CommanderError): Usage {
  if (error.code === 'commander.help') return new Usage('a command is missing; see chord --help');
  return new Usage(error.message.replace(/^error: /, '').replaceAll('\n', ' '));
}
