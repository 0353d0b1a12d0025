/** `serve`: loads the settings, starts the server, prints the ready line, and handles signals. */
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import {
  type Config,
  ConfigError,
  envOf,
  explainConfig,
  flagOf,
  KEYS,
  type Key,
  type Origins,
  processSources,
  SETTINGS,
} from '../../config/config.js';
import type { Chord } from '../../server/app.js';
import { connectionOptions } from '../client/connection.js';
import type { CommandContext } from '../command.js';
import type { Output } from '../output/output.js';
import { renderTable } from '../output/styled-text.js';

const HELP = `
Flags override variables, variables override the config file. Sizes are written 64MiB or 1GB,
durations 500ms, 15s or 6h. The log goes to stderr. SIGTERM or Ctrl-C stops gracefully; a second one
at once. SIGHUP reads certificates and the config file again.

Beyond loopback, the server needs TLS and authentication, or --insecure: docs/tls.md.

Examples:
  chord serve
  chord serve --data-dir /var/lib/chord
  chord serve --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key --tls-client-ca clients.pem
  chord serve --backend memory --listen 127.0.0.1:0
  chord serve --plugin ./examples/formats.js
  CHORD_CACHE_BYTES=1GiB chord serve --config chord.json --print-config
`;

interface ServeOptions {
  /** Settings by key, as text; a flag without a value is true. */
  readonly settings: Readonly<Record<string, string | true>>;
  readonly config?: string | undefined;
  readonly printConfig?: boolean | undefined;
  /** Path of a module with plugins. */
  readonly plugin?: string | undefined;
  /** Arguments that belong to no flag of the program. */
  readonly rest: readonly string[];
}

export function define(program: Command, { args, out, exitWith }: CommandContext): void {
  const command = program
    .command('serve')
    .description('run a server')
    .option('--config <file>', 'JSON file with settings, by their names in --print-config (CHORD_CONFIG)')
    .option('--print-config', 'print the settings and their origins, and exit')
    .option('--plugin <file>', 'module that replaces store, external store (provider), clock or formatters')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', HELP)
    .action(async ({ config, printConfig, plugin, ...settings }, { args: words }: Command) => {
      const strays = connectionOptions().filter((each) => program.getOptionValueSource(each.attributeName()) === 'cli');
      const rest = [...words, ...strays.map(({ long }) => `${long}`)];
      exitWith(await serve({ settings, config, printConfig, plugin, rest }, out()));
    });
  if (!args.includes('serve') && !args.includes('completion')) return;
  for (const key of KEYS) {
    const { placeholder, help, default: fallback, format } = SETTINGS[key];
    const standard = (format as (value: unknown) => string)(fallback);
    const value = typeof fallback === 'boolean' ? `[${placeholder}]` : `<${placeholder}>`;
    command.option(`--${flagOf(key)} ${value}`, `${help} (${envOf(key)}, default ${standard})`);
  }
}

/** The exit code where the disk failed a commit: EX_IOERR of sysexits.h. */
const STORE_FAILED = 74;

/** Serves until a signal, or until the store fails. @returns the exit code */
async function serve(options: ServeOptions, out: Output): Promise<number> {
  const loaded = load(options, out);
  if (!loaded) return 2;
  if (options.printConfig) {
    await printConfig(loaded.config, loaded.origins, out);
    return 0;
  }
  const { config } = loaded;
  const stopped = firstSignal();
  const parts =
    options.plugin === undefined ? {} : await (await import('../input/plugin.js')).loadPlugin(options.plugin);
  const { startChord } = await import('../../server/app.js');
  const { logVerbosity, setLogVerbosity } = await import('@grpc/grpc-js');
  setLogVerbosity(logVerbosity.NONE); // grpc-js would print to stderr, beside the log, errors that it also throws
  const starting = startChord({ ...config, ...parts });
  onHangup(() => starting.then((chord) => chord.reload(load(options, out)?.config)));
  let chord: Chord;
  try {
    chord = await starting;
  } catch (error) {
    out.fail({ reason: 'FAILED', message: `cannot start: ${asWritten((error as Error).message, loaded.origins)}` });
    return 1;
  }
  const kept =
    'store' in parts && parts.store
      ? `the store of ${options.plugin}`
      : config.backend === 'lmdb'
        ? `lmdb, ${config.dataDir}`
        : config.backend;
  const { address, webAddress, metricsAddress } = chord;
  const tls = config.tlsCert !== '';
  const readyMs = Math.round(performance.now());
  const scheme = tls ? 'https' : 'http';
  const web = webAddress ? `, over HTTP on ${scheme}://${webAddress}` : '';
  const metrics = metricsAddress ? `, metrics on http://${metricsAddress}/metrics` : '';
  const ready = `chord: serving on ${address} (${kept}${tls ? ', TLS' : ''})${web}${metrics}, ready in ${readyMs} ms`;
  await out.print({ serving: address, web: webAddress, store: kept, tls, metrics: metricsAddress, readyMs }, () => [
    [['plain', ready]],
  ]);
  const signal = await Promise.race([stopped, chord.failed]);
  if (signal) out.note(`${signal}: stopping`);
  await chord.close();
  return signal ? 0 : STORE_FAILED;
}

/** The settings; undefined after all their problems have been printed. */
function load({ settings, config, rest }: ServeOptions, out: Output): ReturnType<typeof explainConfig> | undefined {
  const flags = Object.fromEntries(Object.entries(settings).map(([key, value]) => [flagOf(key), String(value)]));
  const { unknown, extra } = sortOut(rest);
  const problems = extra.map((word) => `unexpected argument ${word}`);
  try {
    const loaded = explainConfig(processSources({ ...flags, ...unknown }, config));
    if (problems.length === 0) {
      for (const warning of loaded.warnings) out.note(`ignored: ${warning}`);
      return loaded;
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    problems.push(...error.problems);
  }
  for (const message of problems) out.fail({ reason: 'USAGE', message });
  return undefined;
}

/** A message with each setting in it named as it was given: `--auth-rules`, `CHORD_AUTH_RULES`, `authRules in chord.json`. */
function asWritten(message: string, origins: Origins): string {
  const names = KEYS.filter((key) => /[A-Z]/.test(key)).join('|'); // the others are words, too
  return message.replace(new RegExp(`(?<![\\w./-])(?:${names})(?![\\w./-])`, 'g'), (key) => {
    const origin = origins[key as Key];
    return origin === 'default' ? `--${flagOf(key)}` : origin;
  });
}

/** Unknown flags by name, for explainConfig to refuse (`--lisen X`, `--lisen=X`), and words that follow no flag. */
function sortOut(rest: readonly string[]): { unknown: Record<string, string>; extra: string[] } {
  const unknown: Record<string, string> = {};
  const extra: string[] = [];
  rest.forEach((word, i) => {
    if (word.startsWith('-')) unknown[word.replace(/^-+/, '').replace(/=.*/s, '')] = '';
    else if (!rest[i - 1]?.startsWith('-')) extra.push(word);
  });
  return { unknown, extra };
}

async function printConfig(config: Config, origins: Origins, out: Output): Promise<void> {
  const form = Object.fromEntries(KEYS.map((key) => [key, { value: shown(key, config[key]), origin: origins[key] }]));
  await out.print(form, () =>
    renderTable(
      ['SETTING', 'VALUE', 'ORIGIN'],
      KEYS.map((key) => [key, (SETTINGS[key].format as (value: unknown) => string)(config[key]), origins[key]]),
    ),
  );
}

/** The value itself, unless it has to be hidden, or JSON cannot represent it. */
function shown(key: Key, value: Config[Key]): Config[Key] {
  if (typeof value !== 'string' && typeof value !== 'object') return value;
  return (SETTINGS[key].format as (value: unknown) => string)(value);
}

/**
 * Reloads at each SIGHUP; but a SIGHUP of a terminal that is gone ends the process, as it ends all processes of that
 * terminal.
 */
function onHangup(reload: () => Promise<void>): void {
  const terminal = isatty(0);
  process.on('SIGHUP', () => {
    if (terminal && !isatty(0)) {
      process.removeAllListeners('SIGHUP');
      process.kill(process.pid, 'SIGHUP'); // at once: no terminal is left to print to
    } else {
      reload().catch(() => {}); // the start has failed, and has printed why
    }
  });
}

/** Resolves with the first SIGINT or SIGTERM. A second one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let received = 0;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (received++ > 0) process.exit(1);
        resolve(signal);
      });
    }
  });
}
