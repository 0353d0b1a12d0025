/** The servers that benchmarks start: Chord as built, the ceilings, etcd. All on free ports, with their data in temporary directories. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launch, type Process } from './measure.js';

const ECHO = fileURLToPath(new URL('./echo-server.mjs', import.meta.url));
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

/** A module of the build, for what is measured in this process. */
export function built<T>(module: string): Promise<T> {
  return import(join(build, module)) as Promise<T>;
}

/** Where CPU profiles of Chord and of the ceilings go, if anywhere: `--profile DIR`. */
let profiles: string | undefined;
export function profileInto(directory: string): void {
  profiles = directory;
}

export function startChord({ backend = 'lmdb', dataDir, flags = [] }: ChordLaunch = {}): Promise<Process> {
  const temporary = dataDir ? undefined : temporaryDirectory();
  const settings = ['--listen', '127.0.0.1:0', '--backend', backend, '--data-dir', dataDir ?? temporary!];
  return launch({
    command: process.execPath,
    args: [
      ...profile('chord'),
      join(build, 'main.js'),
      'serve',
      ...settings,
      '--max-streams-per-connection',
      '10000',
      ...flags,
    ],
    ready: /serving on (\S+)/,
    clean: () => temporary && remove(temporary),
  });
}

export function startEcho(): Promise<Process> {
  return launch({ command: process.execPath, args: [...profile('echo'), ECHO], ready: /serving on (\S+)/ });
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
  }).flatMap(([name, value]) => [`--${name}`, value as string]);
  const started = await launch({
    command: 'etcd',
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

/** Clients in a process of their own that watch a context, and never read again. */
export async function startSleepers(address: string, contextId: string, count: number): Promise<Process> {
  const args = ['--import', 'tsx', SLEEPERS, address, contextId, String(count)];
  const sleepers = await launch({ command: process.execPath, args, ready: /(asleep): ready/ });
  sleepers.signal('SIGSTOP');
  const stop = (): Promise<void> => {
    sleepers.signal('SIGCONT');
    return sleepers.stop();
  };
  return { ...sleepers, stop };
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'chord-bench-'));
}

export function remove(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
