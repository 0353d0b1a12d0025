/**
 * The columns of the matrix: a store, and in how many processes its connections are served. A test runs where it differs
 * most, on LMDB in one process and on Redis with workers; with PROOF_MATRIX=full everywhere.
 */
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from '../../store/lmdb/directories.js';
import { REDIS_INSTALLED, RedisServer } from '../../store/redis/servers.js';
import { Running, readyServer, type Server } from '../../support/cli.js';

export interface Column {
  readonly name: string;
  readonly store: 'lmdb' | 'redis';
  readonly workers: number;
}

export const FULL = process.env.PROOF_MATRIX === 'full';

const ALL: readonly Column[] = [
  { name: 'LMDB', store: 'lmdb', workers: 0 },
  { name: 'LMDB, workers', store: 'lmdb', workers: 2 },
  { name: 'Redis', store: 'redis', workers: 0 },
  { name: 'Redis, workers', store: 'redis', workers: 2 },
];
const SOME = new Set(['LMDB', 'Redis, workers']);

export const COLUMNS = ALL.filter(
  ({ name, store }) => (FULL || SOME.has(name)) && (store === 'lmdb' || REDIS_INSTALLED),
);

export interface Place {
  /** Where the data is, as options of `chord serve`. */
  readonly args: readonly string[];
  readonly redis: RedisServer | undefined;
}

/** An empty place; what was acknowledged in it is durable. */
export async function place(t: ExecutionContext, { store }: Column): Promise<Place> {
  if (store === 'lmdb') {
    const data = join(await temporaryDirectory(t), 'data');
    return { args: ['--data-dir', data, '--min-free-bytes', '0'], redis: undefined };
  }
  const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
  t.teardown(() => redis.destroy());
  return { args: onRedis(redis), redis };
}

/** A busy machine must not look like an outage. */
export function onRedis({ url }: RedisServer): string[] {
  return ['--backend', 'redis', '--redis-url', url, '--redis-timeout', '30s'];
}

export interface Started {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** A server at this place, killed after the test if it has not ended. */
export async function start(
  t: ExecutionContext,
  { workers }: Column,
  { args }: Place,
  { args: more = [], env = {} }: Started = {},
): Promise<Server> {
  const all = ['serve', '--log-level', 'warn', '--listen', '127.0.0.1:0', '--workers', `${workers}`];
  const patient = ['--max-event-loop-delay', 'off', '--shutdown-grace', '1s'];
  const running = new Running([...all, ...patient, ...args, ...more], undefined, { ...env });
  t.teardown(async () => void (await running.end('SIGKILL')));
  return readyServer(running);
}
