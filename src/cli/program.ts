/** The command line: the program's own options, its commands, and its exit codes. */
import { Command, CommanderError } from 'commander';
import { version } from '../server/version.js';
import { type ConnectionOptions, connectionOptions } from './client/connection.js';
import { toFailure } from './client/errors.js';
import type { CommandContext } from './command.js';
import { exitCode, Usage } from './errors.js';
import { Output } from './output/output.js';

interface CommandModule {
  define(program: Command, context: CommandContext): void;
}

/**
 * In the order of `chord --help`. Only the commands that the arguments name are loaded: loading all would take longer
 * than most commands run.
 */
const COMMANDS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  serve: () => import('./commands/serve.js'),
  token: () => import('./commands/token.js'),
  set: () => import('./commands/set.js'),
  update: () => import('./commands/update.js'),
  revert: () => import('./commands/revert.js'),
  delete: () => import('./commands/delete.js'),
  touch: () => import('./commands/touch.js'),
  batch: () => import('./commands/batch.js'),
  get: () => import('./commands/get.js'),
  ls: () => import('./commands/ls.js'),
  sync: () => import('./commands/sync.js'),
  wait: () => import('./commands/wait.js'),
  deltas: () => import('./commands/deltas.js'),
  log: () => import('./commands/log.js'),
  blame: () => import('./commands/blame.js'),
  diff: () => import('./commands/diff.js'),
  watch: () => import('./commands/watch.js'),
  cleanup: () => import('./commands/cleanup.js'),
  export: () => import('./commands/export.js'),
  restore: () => import('./commands/restore.js'),
  backup: () => import('./commands/backup.js'),
  verify: () => import('./commands/verify.js'),
  top: () => import('./commands/top.js'),
  completion: () => import('./commands/completion.js'),
};

/** The options for a connection mean nothing to these, and are left out of their help. */
const WITHOUT_SERVER = ['serve', 'token', 'completion'];
/** They are about all commands. */
const OF_ALL = ['help', 'completion'];

const HELP = `
Topics: chord help positions, paths, conditions, retention, rights.

Exit codes: 0 success, 1 failure, 2 invalid usage, 3 a wait that ended at its deadline.

Examples:
  chord serve
  chord set room:1 '{"topic":"daily","users":{}}'
  chord update room:1 '{"users":{"ann":{"status":"here"}}}' --increment visits=1
  chord watch room:1 'user:*'
  chord get room:1 --json | jq -r .position
  chord get room:1 --address chord.example:50051 --ca ca.pem
`;

interface GlobalOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** @returns the exit code: 0 success, 1 failure, 2 invalid usage, 3 a wait that ended at its deadline */
export async function run(args: readonly string[]): Promise<number> {
  const program = new Command('chord');
  let code = 0;
  const out = () => new Output(program.opts<GlobalOptions>().json ?? false);
  const context: CommandContext = {
    args,
    out,
    // The gRPC client is loaded only by commands that call a server: `--help` stays fast.
    connected: async (work) => {
      const { Session } = await import('./client/client.js');
      const session = new Session(program.opts<GlobalOptions>(), out());
      try {
        await work(session);
      } finally {
        session.close();
      }
    },
    exitWith: (end) => {
      code = end;
    },
  };
  try {
    await define(program, context);
    const operands = args.includes('help') ? program.parseOptions([...args]).operands : [];
    const topic = await topicOf(operands);
    if (topic !== undefined) {
      process.stdout.write(`${topic}\n`);
      return 0;
    }
    await program.parseAsync(deepHelp(operands) ?? args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const usage = error instanceof CommanderError ? asUsage(error) : error;
    const failure = await toFailure(usage, program.opts<GlobalOptions>());
    // The flag may stand behind the invalid argument, where parsing has stopped.
    new Output(args.includes('--json')).fail(failure);
    return exitCode(failure);
  }
}

async function define(program: Command, context: CommandContext): Promise<void> {
  program
    .description('Versioned shared state: named JSON documents, deltas, and watches that stay current.')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // run() prints errors in one form
    .option('--json', 'print JSON, also for errors')
    .addHelpText('after', HELP);
  for (const each of connectionOptions()) program.addOption(each);
  // For `get`, --version is a version of the document.
  if (!context.args.includes('get')) program.version(version(), '--version', 'print the version');
  const names = Object.keys(COMMANDS);
  const named = names.filter((name) => context.args.includes(name));
  const modules = await Promise.all(
    (named.length > 0 && !OF_ALL.some((word) => context.args.includes(word)) ? named : names).map(async (name) => {
      return [name, await COMMANDS[name]!()] as const;
    }),
  );
  for (const [name, module] of modules) {
    program.configureHelp({ showGlobalOptions: !WITHOUT_SERVER.includes(name) });
    module.define(program, context);
  }
}

/** What `chord help TOPIC` prints; undefined for commands. Of other words, Commander would print the help of the program. */
async function topicOf([first, name]: readonly string[]): Promise<string | undefined> {
  if (first !== 'help' || name === undefined || name in COMMANDS || name === 'help') return;
  const { TOPICS } = await import('./topics.js');
  const topic = TOPICS[name];
  if (topic) return `${topic.summary}\n\n${topic.text}`;
  const { nearest } = await import('../config/config.js');
  const near = nearest(name, [...Object.keys(COMMANDS), ...Object.keys(TOPICS)]);
  throw new Usage(`there is no command or topic ${name}${near ? `; did you mean ${near}?` : '; see chord --help'}`);
}

/** `help cleanup run` as `cleanup run --help`: Commander would print the help of `cleanup`. */
function deepHelp([first, ...path]: readonly string[]): string[] | undefined {
  return first === 'help' && path[0] !== 'help' && path.length > 1 ? [...path, '--help'] : undefined;
}

/** Commander's words without its prefix, on one line. */
function asUsage(error: CommanderError): Usage {
  if (error.code === 'commander.help') return new Usage('a command is missing; see chord --help');
  return new Usage(error.message.replace(/^error: /, '').replaceAll('\n', ' '));
}
