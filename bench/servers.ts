/** The servers that benchmarks start: Chord as built, the ceilings, etcd. All on free ports, with their data in temporary directories. */
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, type Process } from './measure.js';

export const ROOT = fileURLToPath(new URL('../', import.meta.url));
const ECHO = fileURLToPath(new URL('./echo-server.mjs', import.meta.url));
const HTTP2 = fileURLToPath(new URL('./http2-server.mjs', import.meta.url));
const SLEEPERS = fileURLToPath(new URL('./sleepers.ts', import.meta.url));

export interface ChordLaunch {
  readonly backend?: 'lmdb' | 'memory' | 'redis' | undefined;
  /** Kept afterwards. Absent: a temporary one. */
  readonly dataDir?: string | undefined;
  /** As on the command line: `--cache-bytes`, `64MiB`. */
  readonly flags?: readonly string[] | undefined;
}

/** The build that is measured: `--dist DIR`. */
let build = fileURLToPath(new URL('../dist', import.meta.url));
export function measureBuild(directory: string): void {
  build = resolve(directory);
}

/**
 * What the command asks node for in its first line. The ceilings run with the same flags, so that a ratio speaks of
 * Chord and not of its settings.
 */
export function nodeFlags(main = join(build, 'main.js')): string[] {
  const [first] = readFileSync(main, 'utf8').split('\n', 1);
  return first!.startsWith('#!') ? (first!.match(/--\S+/g) ?? []) : [];
}

/** A module of the build, for what is measured in this process. */
export function built<T>(module: string): Promise<T> {
  return import(builtFile(module)) as Promise<T>;
}

export function builtFile(module: string): string {
  return join(build, module);
}

/** Where CPU profiles of Chord and of the ceilings go, if anywhere: `--profile DIR`. */
let profiles: string | undefined;
export function profileInto(directory: string): void {
  profiles = directory;
}

export async function startChord({ backend = 'lmdb', dataDir, flags = [] }: ChordLaunch = {}): Promise<Process> {
  const temporary = dataDir ? undefined : temporaryDirectory();
  const settings = ['--listen', '127.0.0.1:0', '--backend', backend, '--data-dir', dataDir ?? temporary!];
  const open = ['--max-streams-per-connection', '10000', ...(await overload())];
  return launch({
    command: process.execPath,
    args: [...nodeFlags(), ...profile('chord'), join(build, 'main.js'), 'serve', ...settings, ...open, ...flags],
    ready: /serving on (\S+)/,
    clean: () => temporary && remove(temporary),
  });
}

/** Here a server is overloaded on purpose: it must not refuse what is to be measured. Older builds never do. */
async function overload(): Promise<string[]> {
  const { SETTINGS } = await built<{ SETTINGS: object }>('config/config.js');
  return 'maxEventLoopDelay' in SETTINGS ? ['--max-event-loop-delay', 'off'] : [];
}

/** With a certificate and its key, both files in PEM: over TLS. */
export function startEcho(...args: readonly string[]): Promise<Process> {
  return launch({
    command: process.execPath,
    args: [...nodeFlags(), ...profile('echo'), ECHO, ...args],
    ready: /serving on (\S+)/,
  });
}

/** node:http2 alone. */
export function startHttp2(): Promise<Process> {
  return launch({
    command: process.execPath,
    args: [...nodeFlags(), ...profile('http2'), HTTP2],
    ready: /serving on (\S+)/,
  });
}

function profile(name: string): string[] {
  if (!profiles) return [];
  return ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`];
}

/** etcd as it comes: one member, durable by fsync. */
export async function startEtcd(): Promise<Process> {
  const directory = temporaryDirectory();
  const [client, peer] = [await freePort(), await freePort()].map((port) => `http://127.0.0.1:${port}`);
  const args = Object.entries({
    'data-dir': directory,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
    'log-level': 'info',
    // Its default of 2 GB is for other machines: whole documents, never compacted, fill that in a minute.
    'quota-backend-bytes': String(8 * 2 ** 30),
  }).flatMap(([name, value]) => [`--${name}`, value as string]);
  const started = await launch({
    command: find('etcd')!,
    args,
    ready: /(ready to serve client requests)/,
    clean: () => remove(directory),
  });
  return { ...started, address: client!.slice('http://'.length) };
}

/** Redis with its append-only file, synced once a second; nothing is evicted. */
export async function startRedis(): Promise<Process> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const settings = { port, bind: '127.0.0.1', dir: directory, save: '', appendonly: 'yes', appendfsync: 'everysec' };
  const started = await launch({
    command: 'redis-server',
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ready: /(Ready to accept connections)/,
    clean: () => remove(directory),
  });
  return { ...started, address: `127.0.0.1:${port}` };
}

/** Clients in a process of their own that watch a context, and read no more until they are woken. */
export async function startSleepers(address: string, contextId: string, count: number, version: number) {
  const args = ['--import', 'tsx', SLEEPERS, address, contextId, String(count), String(version)];
  let wakened: (woken: Woken) => void = () => {};
  const woken = new Promise<Woken>((resolve) => {
    wakened = resolve;
  });
  const onLine = (line: string) => line.startsWith('{') && wakened(JSON.parse(line));
  const sleepers = await launch({ command: process.execPath, args, ready: /(asleep): ready/, onLine });
  sleepers.signal('SIGSTOP');
  const wake = (): Promise<Woken> => {
    sleepers.signal('SIGCONT');
    return woken;
  };
  const stop = (): Promise<void> => {
    sleepers.signal('SIGCONT');
    return sleepers.stop();
  };
  return { ...sleepers, wake, stop };
}

/** What sleepers say when each of them holds the version that they were started for. */
export interface Woken {
  readonly messages: number;
  readonly bytes: number;
}

/** Where a program is: on the path, or among our own tools. */
export function find(program: string): string | undefined {
  const places = [join(ROOT, '.tools/bin'), ...(process.env.PATH ?? '').split(delimiter), join(homedir(), 'go/bin')];
  return places.map((place) => join(place, program)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Of the disk with the temporary directories. On a `tmpfs` nothing is durable, and nothing that waits for a disk is measured. */
export function disk(): { freeBytes: number; inMemory: boolean } {
  const { bavail, bsize, type } = statfsSync(tmpdir());
  return { freeBytes: bavail * bsize, inMemory: type === TMPFS };
}
const TMPFS = 0x01021994;

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'chord-bench-'));
  directories.add(directory);
  return directory;
}

export function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  directories.delete(directory);
}

/** Whatever ends this process: the data of a million contexts does not stay behind. */
const directories = new Set<string>();
process.on('exit', () => directories.forEach(remove));

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
