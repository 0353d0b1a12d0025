/** Where the servers that are killed keep their data: a directory, or a Redis that is killed now and then, too. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verified } from '../../maintenance/directories.js';
import { RedisServer } from '../../store/redis/servers.js';

export interface Place {
  readonly servers: number;
  readonly args: readonly string[];
  /** Points of killer.c that a server on this store comes to, and how often at most it passes them before it is killed there. */
  readonly points: ReadonlyMap<string, number>;
  /** While no server runs. `round` counts up. */
  betweenRounds(round: number): Promise<void>;
  destroy(): Promise<void>;
}

/** Some thousand writes: a commit has those of all writers in it, an answer or a message is a send of its own. */
const COMMITS = 12;
const SENDS = 1500;

/** Where data.mdb is verified, which takes longer than the rest of a round. */
const VERIFIED_EVERY = 10;
const REDIS_KILLED_EVERY = 4;

export async function lmdb(): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'chord-kills-'));
  return {
    servers: 1,
    args: ['--data-dir', join(directory, 'data')],
    points: new Map([
      ...['before-sync', 'after-sync', 'before-meta', 'after-meta'].map((point) => [point, COMMITS] as const),
      ...['before-send', 'after-send'].map((point) => [point, SENDS] as const),
    ]),
    betweenRounds: async (round) => {
      if (round % VERIFIED_EVERY !== 0) return;
      const { told } = await verified(join(directory, 'data'));
      if (told.length > 0) throw new Error(`verify: ${told.join('; ')}`);
    },
    destroy: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Two servers on one Redis, which syncs each write before it answers. */
export async function redis(): Promise<Place> {
  const server = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  return {
    servers: 2,
    // A busy machine must not look like an outage.
    args: ['--backend', 'redis', '--redis-url', server.url, '--redis-timeout', '30s'],
    points: new Map(['before-send', 'after-send'].map((point) => [point, SENDS] as const)),
    betweenRounds: async (round) => {
      if (round % REDIS_KILLED_EVERY !== 0) return;
      await server.end('SIGKILL');
      await server.start();
    },
    destroy: () => server.destroy(),
  };
}

export function compileKiller(directory: string): string {
  const library = join(directory, 'killer.so');
  const source = new URL('killer.c', import.meta.url).pathname;
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], { stdio: 'pipe' });
  return library;
}
