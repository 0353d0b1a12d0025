/**
 * Merges flags, environment and configuration file into one frozen, validated Config. The table SETTINGS holds every
 * fact about each setting; its flag (`--data-dir`) and its variable (`CHORD_DATA_DIR`) follow from its key (`dataDir`).
 * Flags override the environment, the environment overrides the file, the file overrides the defaults.
 *
 * This is the only module that reads `process.env`.
 */
import { readFileSync } from 'node:fs';
import { LIMIT_NAMES } from '../quota/limits.js';
import {
  choice,
  choices,
  count,
  countOrAuto,
  duration,
  durationOrOff,
  exportUrl,
  file,
  flag,
  hostPort,
  hostPortOrOff,
  limits,
  origins,
  type SettingType,
  secretUrl,
  size,
  text,
  textOrNone,
  tiers,
} from './setting-types.js';

/** Algorithms of signed tokens: all sign with a private key, so that the public key verifies and cannot sign. */
export const JWT_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA'],
];

const MiB = 2 ** 20;
const HOUR = 3_600_000;
const YEAR = 365 * 24 * HOUR;
const YEARS = 100 * YEAR;

interface Setting<T> extends SettingType<T> {
  readonly default: T;
  readonly help: string;
}

function setting<T>(kind: SettingType<T>, fallback: T, help: string): Setting<T> {
  return { ...kind, default: fallback, help };
}

export const SETTINGS = {
  listen: setting(hostPort(), '127.0.0.1:50051', 'address to listen on; port 0 takes a free port'),
  workers: setting(
    countOrAuto(0, 64),
    0,
    'processes that serve connections, beside the one with the contexts; auto: one a core; 0: one process for all',
  ),
  tlsCert: setting(file(), '', 'PEM file: server certificate, followed by its intermediate certificates'),
  tlsKey: setting(file(), '', 'PEM file: private key of the server certificate'),
  tlsClientCa: setting(file(), '', 'PEM file: authorities that must have signed the certificate of each client'),
  insecure: setting(flag(), false, 'allow an address beyond loopback without TLS or authentication'),
  backend: setting(
    choice(['lmdb', 'redis', 'memory']),
    'lmdb',
    'where contexts are stored: on this machine, shared by many servers, or in memory until the server stops',
  ),
  dataDir: setting(text('DIR'), './data', 'data directory of the lmdb backend; one server at a time'),
  redisUrl: setting(secretUrl(), 'redis://127.0.0.1:6379', 'server, cluster or sentinels of the redis backend'),
  redisPrefix: setting(text('TEXT'), 'chord:', 'prefix of all keys of the redis backend'),
  redisTimeout: setting(duration(100, 60_000), 3000, 'timeout of a Redis command'),
  logLevel: setting(
    choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'info',
    'lowest level to log',
  ),
  logFormat: setting(
    choice(['auto', 'json', 'text']),
    'auto',
    'format of the log; auto: text on a terminal, JSON elsewhere',
  ),
  auditLog: setting(file(), '', 'audit log: file that records writes, administration and refused calls'),
  metricsListen: setting(hostPortOrOff(), 'off', 'address of metrics over HTTP, on loopback'),
  metricsInsecure: setting(flag(), false, 'serve metrics beyond loopback, where the network can read them'),
  webListen: setting(hostPortOrOff(), 'off', 'address of the API over HTTP, for browsers: Connect, gRPC-Web and JSON'),
  webOrigins: setting(origins(), [], 'origins whose pages may use the API over HTTP, as https://app.example.com'),
  webConsole: setting(choice(['on', 'off']), 'on', 'whether the console is served at / of webListen'),
  cacheBytes: setting(size(0, 2 ** 40), 256 * MiB, 'memory for decoded contexts'),
  maxDocumentBytes: setting(size(1024, 4 * MiB - 65536), 3 * MiB, 'maximum size of a document'),
  maxRequestMembers: setting(count(100, 4_000_000), 25_000, 'maximum members in the values of one write or batch'),
  deltaThreshold: setting(
    count(1, 1_000_000),
    100,
    'deltas kept per context; a client further behind gets the document',
  ),
  deltaTtl: setting(duration(1000, YEARS), 24 * HOUR, 'how long deltas are kept'),
  deltaRetention: setting(
    tiers(),
    [],
    'in place of both: which versions are kept, as 1h:all,1d:1m,90d:1h: all of the last hour, one a minute of the last day, ...',
  ),
  contextAutoDelete: setting(flag(), false, 'whether unused contexts are deleted'),
  contextTtl: setting(
    duration(1000, YEARS),
    6 * HOUR,
    'time to live of contexts after the last write or touch; needs contextAutoDelete',
  ),
  requestTtl: setting(duration(1000, YEARS), HOUR, 'how long request ids are kept'),
  cleanupInterval: setting(durationOrOff(1000, YEAR), HOUR, 'how often old deltas and contexts are removed, or off'),
  exportUrl: setting(exportUrl(), '', 'external store to export to: file:DIR, grpc[s]://HOST:PORT, or postgres://...'),
  exportCa: setting(file(), '', 'PEM file: authorities of a grpcs:// store, instead of the public ones'),
  exportOnExpiry: setting(flag(), false, 'whether contexts are exported before they expire; needs exportUrl'),
  exportTimeout: setting(duration(100, 600_000), 10_000, 'timeout of a call to the external store'),
  minFreeBytes: setting(size(0, 2 ** 50), 256 * MiB, 'minimum free disk space; below it, writes are refused'),
  maxConnections: setting(
    count(1, 1_000_000),
    10_000,
    'maximum connections; beyond it, unauthenticated connections are closed',
  ),
  maxConnectionsPerAddress: setting(count(1, 1_000_000), 5000, 'maximum connections of each remote address'),
  acceptQueue: setting(
    count(1, 65_535),
    4096,
    'connections that may wait to be accepted; net.core.somaxconn of the system may allow fewer',
  ),
  identifyTimeout: setting(
    durationOrOff(1000, 600_000),
    20_000,
    'an unauthenticated connection is closed after this long, or off',
  ),
  requestTimeout: setting(
    durationOrOff(1000, 600_000),
    20_000,
    'a request must be received completely within this time, or off',
  ),
  maxStreamsPerConnection: setting(count(1, 1_000_000), 1000, 'maximum open calls of one connection'),
  authTokens: setting(file(), '', 'file of tokens, one a line, as `chord token new` writes them'),
  authJwks: setting(file(), '', 'file of public keys (JWKS) that verify signed tokens (JWT)'),
  authJwtIssuer: setting(textOrNone('TEXT'), '', 'required issuer of signed tokens (iss)'),
  authJwtAudience: setting(textOrNone('TEXT'), '', 'required audience of signed tokens (aud)'),
  authJwtAlgorithms: setting(
    choices(JWT_ALGORITHMS),
    ['RS256', 'ES256', 'EdDSA'],
    'accepted algorithms of signed tokens',
  ),
  authJwtClaim: setting(text('CLAIM'), 'sub', 'the claim that names the identity'),
  authCertificates: setting(flag(), false, 'whether a client certificate identifies its owner; needs tlsClientCa'),
  authRules: setting(file(), '', 'file with the rights of each identity'),
  maxInFlight: setting(count(1, 1_000_000), 10_000, 'maximum calls under way, without streams'),
  maxInFlightBytes: setting(size(8 * MiB, 2 ** 40), 64 * MiB, 'maximum bytes of requests under way'),
  maxEventLoopDelay: setting(durationOrOff(10, 60_000), 500, 'event-loop delay above which calls are refused; or off'),
  quotas: setting(limits(), {}, `limits of each identity: ${LIMIT_NAMES.join(', ')}`),
  connectionQuotas: setting(limits(), {}, 'limits of each connection, with the same names'),
  heartbeatInterval: setting(duration(1000, 3_600_000), 15_000, 'how often an idle watch gets a heartbeat'),
  shutdownDelay: setting(duration(0, 600_000), 0, 'how long a stop is announced to health checks before it begins'),
  shutdownGrace: setting(duration(0, 600_000), 10_000, 'how long a stop waits for calls to end'),
  keepaliveInterval: setting(duration(1000, 7_200_000), 30_000, 'how often idle connections are checked'),
  keepaliveTimeout: setting(
    duration(1000, 600_000),
    10_000,
    'a connection without an answer to the check for this long is closed',
  ),
};

export type Key = keyof typeof SETTINGS;

/** Durations are in milliseconds, sizes in bytes. */
export type Config = { readonly [K in Key]: (typeof SETTINGS)[K]['default'] };

export const KEYS = Object.keys(SETTINGS) as Key[];

/** The sources of settings; an absent source sets nothing. Values of flags and environment are strings. */
export interface ConfigSources {
  /** By the name of the flag without dashes: `data-dir`. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  /** Only names that begin with CHORD_ are read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** By key. A setting without a unit may be a number. */
  readonly file?: { readonly path: string; readonly settings: unknown };
  /** By key, typed: for programs that embed Chord. Overrides every other source. */
  readonly options?: Partial<Config>;
}

/**
 * The origin of a setting, as error messages name it: `--listen`, `CHORD_LISTEN`, `listen in chord.json`, `default`.
 */
export type Origins = { readonly [K in Key]: string };

/** All problems of the settings, each with the setting's name and origin. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
  }
}

export function flagOf(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

export function envOf(key: string): string {
  return `CHORD_${flagOf(key).replaceAll('-', '_').toUpperCase()}`;
}

// Options of the command line that are no settings of a server: candidates for the correction of a mistyped name.
const OTHER_VARIABLES = [
  ...['CHORD_CONFIG', 'CHORD_ADDRESS', 'CHORD_TIMEOUT', 'CHORD_TOKEN', 'CHORD_TOKEN_FILE'],
  ...['CHORD_TLS', 'CHORD_CA', 'CHORD_CLIENT_CERT', 'CHORD_CLIENT_KEY', 'CHORD_SERVER_NAME'],
];
/**
 * What Kubernetes injects for a Service whose name begins with `chord`: CHORD_SERVICE_HOST, CHORD_PORT_50051_TCP_ADDR,
 * CHORD_METRICS_SERVICE_PORT_HTTP. No setting has such a name.
 */
const SERVICE_LINK = /^CHORD(?:_\w+)?_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)$/;
const OTHER_FLAGS = ['config', 'print-config', 'plugin', 'json', 'help'];

/** @throws ConfigError with all problems at once */
export function loadConfig(sources: ConfigSources = {}): Config {
  return explainConfig(sources).config;
}

/** loadConfig, with the origin of each setting. An unknown variable is a warning: others set it, too. */
export function explainConfig({ flags = {}, env = {}, file, options = {} }: ConfigSources): {
  config: Config;
  origins: Origins;
  warnings: readonly string[];
} {
  const settings = file ? file.settings : {};
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) {
    throw new ConfigError([`${file?.path}: the settings must be a JSON object`]);
  }
  const fileName = (key: string) => `${key} in ${file?.path}`;
  const variables = layer(
    Object.entries(env).filter(([name]) => name.startsWith('CHORD_') && !isOther(name)),
    KEYS.map(envOf),
    envOf,
    String,
    OTHER_VARIABLES,
  );
  const layers = [
    layer(Object.entries(options), KEYS, String, (name) => `option ${name}`, [], 'value'),
    layer(Object.entries(flags), KEYS.map(flagOf), flagOf, (name) => `--${name}`, OTHER_FLAGS),
    variables,
    layer(Object.entries(settings), KEYS, String, fileName),
  ];
  const problems = layers.flatMap(({ unknown }) => (unknown === variables.unknown ? [] : unknown));
  const config: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const key of KEYS) {
    const found = layers.flatMap(({ read }) => read(key) ?? []);
    for (const { problem } of found) if (problem) problems.push(problem);
    config[key] = found[0] ? found[0].value : SETTINGS[key].default;
    origins[key] = found[0]?.origin ?? 'default';
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return { config: Object.freeze(config) as Config, origins: origins as Origins, warnings: variables.unknown };
}

function isOther(variable: string): boolean {
  return OTHER_VARIABLES.includes(variable) || SERVICE_LINK.test(variable);
}

interface Found {
  readonly origin: string;
  readonly value?: unknown;
  readonly problem?: string;
}

/** One source: a sentence for each of its names that is unknown, and how to read a setting from it. */
function layer(
  given: readonly (readonly [string, unknown])[],
  known: readonly string[],
  nameOf: (key: string) => string,
  display: (name: string) => string,
  suggestible: readonly string[] = [],
  form: 'written' | 'value' = 'written',
): { unknown: string[]; read: (key: Key) => Found | undefined } {
  const values = new Map(given.filter(([, value]) => value !== undefined));
  const unknown = [...values.keys()]
    .filter((name) => !known.includes(name))
    .map((name) => unknownSetting(name, [...known, ...suggestible], display));
  const read = (key: Key): Found | undefined => {
    const name = nameOf(key);
    if (!values.has(name)) return undefined;
    const origin = display(name);
    const result = SETTINGS[key][form].safeParse(values.get(name));
    if (result.success) return { origin, value: result.data };
    return {
      origin,
      problem: `${origin}: ${result.error.issues[0]?.message}, got ${JSON.stringify(values.get(name))}`,
    };
  };
  return { unknown, read };
}

/**
 * The settings of this process: the given flags, its environment, and the file that `--config` or CHORD_CONFIG names.
 */
export function processSources(
  flags: Readonly<Record<string, string | undefined>>,
  configPath?: string,
): ConfigSources {
  const path = configPath ?? process.env.CHORD_CONFIG;
  const sources: ConfigSources = { flags, env: process.env };
  return path ? { ...sources, file: { path, settings: readSettings(path) } } : sources;
}

function readSettings(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError([`cannot read the config file ${path}: ${(error as Error).message}`]);
  }
}

function unknownSetting(name: string, known: readonly string[], display: (name: string) => string): string {
  const near = nearest(name, known);
  return `unknown setting ${display(name)}${near ? `; did you mean ${display(near)}?` : ''}`;
}

/** The candidate with the fewest edits to `name`; undefined where that takes more than a third of the letters. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const fold = (text: string) => text.toLowerCase().replaceAll(/[-_]/g, '');
  const ranked = candidates
    .map((candidate) => ({ candidate, edits: editDistance(fold(name), fold(candidate)) }))
    .sort((a, b) => a.edits - b.edits)[0];
  return ranked && ranked.edits <= Math.max(2, name.length / 3) ? ranked.candidate : undefined;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
