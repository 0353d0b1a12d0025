/** Checks of Redis at the start of a server. A failed check is a ChordError FAILED_PRECONDITION with the reason. */
import { ChordError } from '../../model/errors.js';
import type { Cluster } from './cluster.js';
import type { Connection } from './connection.js';
import { PARTITIONS, type RedisKeys, slotOf } from './keys.js';
import type { Target } from './url.js';

/** 2: a part of an id in braces decides its partition. A server that supports only 1 would look in the wrong one. */
const FORMAT = { name: 'chord', version: 2, partitions: PARTITIONS };
const MAJOR_MIN = 7;

/** Connects, checks the servers, and marks the data as Chord's. Answers the format, which the first server has chosen. */
export async function checkRedis(cluster: Cluster, target: Target, keys: RedisKeys): Promise<number> {
  const first = await cluster.connect();
  const info = await infoOf(first);
  checkServer(first, info);
  if (info.get('cluster_enabled') === '1') await joinCluster(cluster, target, first);
  else if (target.kind === 'cluster') throw refusal(`Redis at ${first.name} is not a cluster node`);
  return checkFormat(cluster, keys);
}

async function joinCluster(cluster: Cluster, target: Target, first: Connection): Promise<void> {
  if (target.options.db) throw refusal('a Redis Cluster has only database 0');
  const state = fields(String(await first.send('cluster', ['info'])));
  if (state.get('cluster_state') !== 'ok') {
    const served = `${state.get('cluster_slots_ok')} of 16384 slots are served`;
    throw refusal(`the Redis Cluster at ${first.name} is down: ${served}`);
  }
  await cluster.becomeCluster();
  for (const connection of cluster.connections) checkServer(connection, await infoOf(connection));
}

function checkServer(connection: Connection, info: Map<string, string>): void {
  const version = info.get('redis_version') ?? '?';
  if (!(Number.parseInt(version, 10) >= MAJOR_MIN)) {
    throw refusal(`Redis at ${connection.name} has version ${version}; Chord needs ${MAJOR_MIN} or later`);
  }
  const policy = info.get('maxmemory_policy');
  if (policy !== 'noeviction') {
    throw refusal(
      `Redis at ${connection.name} would discard data when its memory is full: ` +
        `maxmemory-policy is ${policy}; Chord needs noeviction`,
    );
  }
}

async function checkFormat(cluster: Cluster, keys: RedisKeys): Promise<number> {
  const slot = slotOf(keys.format);
  await cluster.call(slot, () => ['set', keys.format, JSON.stringify(FORMAT), 'NX']);
  const stored = await cluster.call(slot, () => ['get', keys.format]).catch((error) => error);
  const format = parse(stored);
  if (format?.name !== FORMAT.name) throw refusal(`the key ${keys.format} in Redis is not Chord's: use another prefix`);
  const { version, partitions } = format;
  if ((version === 1 || version === FORMAT.version) && partitions === FORMAT.partitions) return version;
  throw refusal(`the data in Redis is of a newer Chord (format ${version}; this one reads up to ${FORMAT.version})`);
}

function parse(stored: unknown): Record<string, unknown> | null {
  try {
    const format = Buffer.isBuffer(stored) ? JSON.parse(stored.toString()) : null;
    return typeof format === 'object' ? format : null;
  } catch {
    return null;
  }
}

async function infoOf(connection: Connection): Promise<Map<string, string>> {
  return fields(String(await connection.send('info', [])));
}

function fields(text: string): Map<string, string> {
  const pairs = text.split('\r\n').map((line) => line.split(':', 2) as [string, string]);
  return new Map(pairs);
}

function refusal(message: string): ChordError {
  return new ChordError('FAILED_PRECONDITION', message);
}
