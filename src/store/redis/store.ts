/**
 * The store on Redis or a Redis Cluster, for many servers at once. keys.ts has the layout, scripts.ts the code that runs
 * inside Redis, cluster.ts the connections; docs/redis.md has the promises and their costs.
 */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import { encodeRecord } from '../record-format.js';
import type {
  BatchOperation,
  BatchOutcome,
  Commit,
  Due,
  History,
  Index,
  ListPage,
  Member,
  Outcome,
  Removal,
  Request,
  Store,
  StoreCluster,
  Stored,
  StoreHealth,
  StoreWork,
  Thinning,
} from '../store.js';
import { RedisBatches } from './batch.js';
import { RedisClock } from './clock.js';
import { Cluster, toChordError } from './cluster.js';
import type { Argument } from './connection.js';
import { RedisFeed } from './feed.js';
import { type Partition, RedisKeys, slotOf } from './keys.js';
import { checkRedis } from './preflight.js';
import { RedisReads } from './reads.js';
import { RedisRequests } from './requests.js';
import { LEASE, REPLACE } from './scripts/contexts.js';
import { LOOSEN, THIN, TRIM } from './scripts/logs.js';
import { RedisTurns } from './turns.js';
import { parseRedisUrl } from './url.js';
import { positionText, RedisWrites } from './writes.js';

export interface RedisStoreOptions {
  /** As in url.ts. */
  readonly url: string;
  /** The prefix of all keys; no braces. Default: `chord:`. */
  readonly prefix?: string;
  /** The time after which a command without an answer means a dead connection, in milliseconds. Default: 3000. */
  readonly timeout?: number;
  /** The interval between checks of all watched contexts, in milliseconds. Default: 30 s. */
  readonly checkInterval?: number;
}

/** Records that one script trims or moves, and bytes that it moves: Redis runs nothing else meanwhile. */
const TRIM_AT_ONCE = 500;
const LOOSEN_BYTES = 4 << 20;

/** Throws FAILED_PRECONDITION (too old, evicts, foreign data, cluster down) or UNAVAILABLE (unreachable). */
export async function openRedis(options: RedisStoreOptions): Promise<Store> {
  const { prefix = 'chord:', timeout = 3000, checkInterval = 30_000 } = options;
  if (/[{}]/.test(prefix)) throw new ChordError('FAILED_PRECONDITION', 'the Redis prefix must not contain braces');
  const target = parseRedisUrl(options.url);
  const cluster = new Cluster(target, timeout);
  let format: number;
  try {
    format = await checkRedis(cluster, target, new RedisKeys(prefix));
  } catch (error) {
    cluster.close();
    throw toChordError(error);
  }
  const store = new RedisStore(cluster, new RedisKeys(prefix, format > 1), timeout, checkInterval);
  try {
    await store.clock.look();
  } catch (error) {
    await store.close();
    throw error;
  }
  return store;
}

class RedisStore implements Store {
  readonly #cluster: Cluster;
  readonly #keys: RedisKeys;
  readonly #reads: RedisReads;
  readonly #writes: RedisWrites;
  readonly #requests: RedisRequests;
  readonly #batches: RedisBatches;
  readonly #feed: RedisFeed;
  readonly clock: RedisClock;
  readonly cluster: StoreCluster;
  readonly #listeners: ((health: StoreHealth) => void)[] = [];
  #serving = true;
  #closed = false;
  #closing: Promise<void> | undefined;

  constructor(cluster: Cluster, keys: RedisKeys, timeout: number, checkInterval: number) {
    this.#cluster = cluster;
    this.#keys = keys;
    this.#writes = new RedisWrites(cluster, keys);
    this.#requests = new RedisRequests(cluster, keys, this.#writes);
    const isOwn = (nonce: string) => this.#writes.isOwn(nonce);
    this.#batches = new RedisBatches({
      cluster,
      watched: () => this.#feed.watchesSeveral,
      tell: (ids) => this.#feed.tellBatch(ids),
    });
    this.#reads = new RedisReads(cluster, keys, this.#batches);
    this.#feed = new RedisFeed({ cluster, keys, batches: this.#batches, isOwn, checkInterval, timeout });
    this.clock = new RedisClock(cluster, slotOf(keys.format));
    this.cluster = {
      feed: this.#feed,
      clock: this.clock.now,
      heads: (ids) => this.#heads(ids),
      apart: (ids) => keys.apart(ids),
      settings: {
        get: (name) => this.#setting(name),
        replace: (name, before, text) => this.#replaceSetting(name, before, text),
      },
      lease: (name, ttl) => this.#lease(name, ttl),
      turns: new RedisTurns(cluster, keys, this.#writes.name),
    };
    cluster.listeners.push(() => this.#healthChanged());
  }

  async load(id: string): Promise<Stored | null> {
    this.#checkOpen();
    return this.#reads.load(id);
  }

  async head(id: string): Promise<Head | null> {
    this.#checkOpen();
    return this.#reads.head(id);
  }

  async commit(commit: Commit): Promise<Outcome> {
    this.#checkOpen();
    return this.#writes.commit(commit);
  }

  async remove(removal: Removal): Promise<Outcome> {
    this.#checkOpen();
    return this.#writes.remove(removal);
  }

  async commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    this.#checkOpen();
    return this.#writes.commitBatch(operations);
  }

  async recall(id: string, requestId: string, formerId?: string): Promise<Request | null> {
    this.#checkOpen();
    return this.#writes.recall(id, requestId, formerId);
  }

  async members(id: string): Promise<readonly Member[]> {
    this.#checkOpen();
    return this.#reads.members(id);
  }

  async deltas(id: string, after: number, limit: number, maxBytes?: number): Promise<History> {
    this.#checkOpen();
    return this.#reads.deltas(id, after, limit, maxBytes);
  }

  async list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    this.#checkOpen();
    return this.#reads.list(prefix, after, limit);
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    this.#checkOpen();
    return this.#reads.due(index, upTo, limit, after);
  }

  async trim(id: string, version: number): Promise<number> {
    this.#checkOpen();
    const partition = this.#keys.partitionOf(id);
    const keys = logKeys(partition, id);
    const call = { script: TRIM, keys, args: [id, version, TRIM_AT_ONCE] };
    for (let count = 0; ; ) {
      const some = (await this.#cluster.call(partition.slot, () => call)) as number;
      count += some;
      if (some < TRIM_AT_ONCE) return count;
    }
  }

  async thin({ id, merged, next, head }: Thinning): Promise<boolean> {
    this.#checkOpen();
    const partition = this.#keys.partitionOf(id);
    const { epoch } = head.position;
    const keys = logKeys(partition, id);
    const last = merged.at(-1)?.position.version ?? 0;
    const moving = [epoch, last, TRIM_AT_ONCE, LOOSEN_BYTES];
    const loosen = { script: LOOSEN, keys: keys.slice(0, 3), args: moving };
    while (last > 0 && (await this.#cluster.call(partition.slot, () => loosen)) !== 0);
    const args: Argument[] = [id, epoch, positionText(head.position), head.updatedAt, next];
    for (const record of merged) {
      for (const { version, epoch, digest } of [record.merged.base, record.position])
        args.push(version, `${epoch}:${digest}`);
      args.push(encodeRecord(record));
    }
    const call = { script: THIN, keys, args };
    return (await this.#cluster.call(partition.slot, () => call)) === 1;
  }

  async forget(before: number, limit: number): Promise<number> {
    this.#checkOpen();
    return this.#requests.forget(before, limit);
  }

  get work(): StoreWork {
    return this.#writes;
  }

  /** Serving while any node is reachable: the contexts on that node are still available. */
  health(): StoreHealth {
    if (this.#closed) return { serving: false, readOnly: false, detail: 'the store is closed' };
    const { connections } = this.#cluster;
    const away = connections.filter((connection) => connection.away);
    if (away.length === 0) return { serving: true, readOnly: false };
    const detail = `Redis is away at ${away.map(({ name }) => name).join(', ')}`;
    return { serving: away.length < connections.length, readOnly: false, detail };
  }

  onHealth(listener: (health: StoreHealth) => void): void {
    this.#listeners.push(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed = true;
    this.#feed.close();
    this.clock.close();
    await this.#cluster.idle();
    this.#cluster.close();
    for (const listener of this.#listeners) listener(this.health());
  }

  #healthChanged(): void {
    const { serving } = this.health();
    if (serving === this.#serving || this.#closed) return;
    this.#serving = serving;
    for (const listener of this.#listeners) listener(this.health());
  }

  async #heads(ids: readonly string[]): Promise<ReadonlyMap<string, Head | null>> {
    this.#checkOpen();
    const [first] = ids;
    return first === undefined ? new Map() : this.#batches.heads(this.#keys.partitionOf(first), ids);
  }

  async #lease(name: string, ttl: number): Promise<boolean> {
    this.#checkOpen();
    const key = this.#keys.lease(name);
    const call = { script: LEASE, keys: [key], args: [this.#writes.name, ttl] };
    return (await this.#cluster.call(slotOf(key), () => call)) === 1;
  }

  async #setting(name: string): Promise<string | null> {
    this.#checkOpen();
    const key = this.#keys.setting(name);
    const text = (await this.#cluster.call(slotOf(key), () => ['get', key])) as Buffer | null;
    return text && String(text);
  }

  async #replaceSetting(name: string, before: string | null, text: string | null): Promise<boolean> {
    this.#checkOpen();
    const key = this.#keys.setting(name);
    const call = { script: REPLACE, keys: [key], args: [before ?? '', text ?? ''] };
    return (await this.#cluster.call(slotOf(key), () => call)) === 1;
  }

  #checkOpen(): void {
    if (this.#closed) throw new ChordError('UNAVAILABLE', 'the store is closed');
  }
}

/** The log of a context and the indexes that it is in. */
function logKeys(partition: Partition, id: string): string[] {
  const own = [partition.context(id), partition.log(id), partition.thinned(id)];
  return [...own, partition.index('age'), partition.index('length')];
}
