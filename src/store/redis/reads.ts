/** Reads from Redis. A read of several keys of one context is one script. */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import { decodeHead, decodeMember, decodeRecord, headOf, memberOf } from '../record-format.js';
import type { Due, History, Index, ListPage, LogRecord, Member, Stored } from '../store.js';
import type { RedisBatches } from './batch.js';
import type { Cluster } from './cluster.js';
import type { Argument } from './connection.js';
import { kWayMerge } from './k-way-merge.js';
import type { Partition, RedisKeys } from './keys.js';
import { HEADS_OF, MEMBERS, type Script } from './scripts/contexts.js';
import { DELTAS, LOAD } from './scripts/logs.js';

interface RawDue {
  readonly id: Buffer;
  readonly key: number;
}

/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff]);

export class RedisReads {
  constructor(
    private readonly cluster: Cluster,
    private readonly keys: RedisKeys,
    private readonly batches: RedisBatches,
  ) {}

  async load(id: string): Promise<Stored | null> {
    const loading = this.#script(LOAD, id, []) as Promise<[Buffer, Buffer, Buffer, Buffer[], Buffer[]] | null>;
    const [reply] = await Promise.all([loading, this.batches.news(this.keys.partitionOf(id))]);
    if (reply === null) return null;
    const [headBytes, snapshotVersion, snapshot, entries, rows] = reply;
    const { head } = decodeHead(headBytes, headOf(id));
    const members = head.members && { members: decodeMembers(id, rows) };
    const records = decodeRecords(id, entries);
    const covered = Number(snapshotVersion.toString());
    const whole = covered + records.length === head.position.version && holeIn(records, covered) < 0;
    if (!whole) throw new ChordError('DATA_LOSS', `the log of context "${id}" has a gap`, { contextId: id });
    if (snapshotVersion.length === 0) return { head, records, ...members };
    return { head, snapshot: { version: covered, bytes: snapshot }, records, ...members };
  }

  async members(id: string): Promise<readonly Member[]> {
    return decodeMembers(id, (await this.#script(MEMBERS, id, [])) as Buffer[]);
  }

  async head(id: string): Promise<Head | null> {
    const partition = this.keys.partitionOf(id);
    const call = ['hget', partition.context(id), 'head'] as const;
    const reading = this.cluster.call(partition.slot, () => call) as Promise<Buffer | null>;
    const [bytes] = await Promise.all([reading, this.batches.news(partition)]);
    return bytes && decodeHead(bytes, headOf(id)).head;
  }

  async deltas(id: string, after: number, limit: number, maxBytes = Number.MAX_SAFE_INTEGER): Promise<History> {
    const reply = (await this.#script(DELTAS, id, [Math.max(0, after), limit, maxBytes])) as [number, Buffer[]?];
    const [oldest, entries] = reply;
    if (entries === undefined) return { kind: 'truncated', oldest };
    const records = decodeRecords(id, entries);
    const hole = records[holeIn(records, after)];
    if (hole) return { kind: 'truncated', oldest: hole.position.version };

    let bytes = 0;
    const end = records.findIndex(({ changes, olds }, i) => {
      bytes += changes.length + olds.length;
      return bytes > maxBytes && i > 0;
    });
    return { kind: 'records', records: end < 0 ? records : records.slice(0, end) };
  }

  /** Reads from every partition its share of the page, then the head of each id. */
  async list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    const start = Buffer.from(prefix);
    const end = prefix === '' ? '+' : Buffer.concat([Buffer.from('('), start, BEYOND]);
    const isLater = after !== undefined && Buffer.compare(Buffer.from(after), start) >= 0;
    const first = isLater ? `(${after}` : prefix === '' ? '-' : `[${prefix}`;
    const sources = this.keys.partitions.map(({ slot, ids }) => ({
      read: async (count: number, last: Buffer | undefined) => {
        const from = last ? Buffer.concat([Buffer.from('('), last]) : first;
        const call = ['zrange', ids, from, end, 'BYLEX', 'LIMIT', 0, count] as const;
        return (await this.cluster.call(slot, () => call)) as Buffer[];
      },
    }));
    const found = (await kWayMerge(sources, limit + 1, Buffer.compare)).map(String);
    const ids = found.slice(0, limit);
    const heads = await this.#headsOf(ids);
    // One that was removed since its id was read is not there any more.
    const present = ids.flatMap((id) => {
      const head = heads.get(id);
      return head ? [{ id, head }] : [];
    });
    return found.length > limit ? { heads: present, next: ids.at(-1) as string } : { heads: present };
  }

  /** Of each partition as of one moment: what a batch writes lies in one. */
  async #headsOf(ids: readonly string[]): Promise<ReadonlyMap<string, Head>> {
    const byPartition = new Map<Partition, string[]>();
    for (const id of ids) {
      const partition = this.keys.partitionOf(id);
      const others = byPartition.get(partition);
      if (others) others.push(id);
      else byPartition.set(partition, [id]);
    }
    const heads = new Map<string, Head>();
    const read = async (partition: Partition, some: readonly string[]) => {
      const call = { script: HEADS_OF, keys: some.map((id) => partition.context(id)), args: [] };
      const reading = this.cluster.call(partition.slot, () => call) as Promise<Buffer[]>;
      const [found] = await Promise.all([reading, this.batches.news(partition)]);
      for (const [i, id] of some.entries()) {
        if (found[i]?.length) heads.set(id, decodeHead(found[i], headOf(id)).head);
      }
    };
    await Promise.all([...byPartition].map(([partition, some]) => read(partition, some)));
    return heads;
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    const behind = after && { id: Buffer.from(after.id), key: after.key };
    const sources = this.keys.partitions.map((partition) => ({
      read: (count: number, last: RawDue | undefined) => this.#dueIn(partition, index, upTo, count, last ?? behind),
    }));
    const first = await kWayMerge(sources, limit, byKey);
    return first.map(({ id, key }) => ({ id: id.toString(), key }));
  }

  /** The part of `due` in one partition. */
  async #dueIn(
    partition: Partition,
    index: Index,
    upTo: number,
    limit: number,
    after: RawDue | undefined,
  ): Promise<RawDue[]> {
    const found: RawDue[] = [];
    for (let offset = 0; found.length < limit; offset += limit) {
      const range = [after?.key ?? '-inf', upTo, 'BYSCORE', 'LIMIT', offset, limit, 'WITHSCORES'] as const;
      const reply = await this.cluster.call(partition.slot, () => ['zrange', partition.index(index), ...range]);
      const entries = pairs(reply as Buffer[]);
      found.push(...entries.filter((entry) => !after || byKey(entry, after) > 0));
      if (entries.length < limit) break;
    }
    return found.slice(0, limit);
  }

  /** Runs a script on a context, its log, its members and its thinned records. */
  #script(script: Script, id: string, args: readonly Argument[]): Promise<unknown> {
    const partition = this.keys.partitionOf(id);
    const own = [partition.context(id), partition.log(id), partition.members(id), partition.thinned(id)];
    const call = { script, keys: own, args };
    return this.cluster.call(partition.slot, () => call);
  }
}

/** Fields and values of a hash. */
function decodeMembers(id: string, rows: readonly Buffer[]): Member[] {
  const members: Member[] = [];
  for (let i = 0; i < rows.length; i += 2) {
    const number = Number(String(rows[i]));
    members.push(decodeMember(rows[i + 1] as Buffer, number, memberOf(id, number)));
  }
  return members.sort((a, b) => a.number - b.number);
}

function byKey(a: RawDue, b: RawDue): number {
  return a.key - b.key || Buffer.compare(a.id, b.id);
}

/** Members and scores, in the format of Redis. */
function pairs(reply: readonly Buffer[]): RawDue[] {
  return reply.flatMap((id, i) => (i % 2 === 0 ? [{ id, key: Number(String(reply[i + 1])) }] : []));
}

/** Copies the bytes: a record that is kept must not keep the whole chunk of the socket. */
function decodeRecords(id: string, entries: readonly Buffer[]): LogRecord[] {
  return entries.map((bytes) => decodeRecord(Buffer.from(bytes), `the log of context "${id}"`));
}

/** The index of the first record that does not follow the record before it; -1 where there is none. */
function holeIn(records: readonly LogRecord[], after: number): number {
  return records.findIndex(({ position, merged }, i) => {
    const before = records[i - 1]?.position.version ?? after;
    const base = merged?.base.version ?? position.version - 1;
    // The first one may begin before a version that was merged away.
    return i === 0 ? base > before : base !== before;
  });
}
