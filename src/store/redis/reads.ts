/** Reads from Redis. A read of several keys of one context is one script. */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import { Slots } from '../../model/slots.js';
import { decodeHead, decodeMember, decodeRecord, headOf, memberOf } from '../record-format.js';
import type { Due, History, Index, ListPage, LogRecord, Member, Stored } from '../store.js';
import type { RedisBatches } from './batch.js';
import type { Cluster } from './cluster.js';
import type { Argument } from './connection.js';
import { kWayMerge, type ReadRound } from './k-way-merge.js';
import { PARTITIONS, type Partition, type RedisKeys } from './keys.js';
import { HEADS_OF, MEMBERS, RANGES, type Script } from './scripts/contexts.js';
import { DELTAS, LOAD } from './scripts/logs.js';

interface RawDue {
  readonly id: Buffer;
  readonly key: number;
}

/** Above every byte of UTF-8. */
const BEYOND = Buffer.from([0xff]);

/** Arguments of ZRANGE for one sorted set; all that are read together have the same number of them. */
interface Range {
  readonly slot: number;
  readonly key: string;
  readonly range: readonly Argument[];
}

/** Lists that are read at once; the others wait. Each reads every partition, so that many at once would fill the memory. */
const LISTS_AT_ONCE = 4;

export class RedisReads {
  readonly #lists = new Slots(LISTS_AT_ONCE);
  /** Lists that wait for a slot, by what they read: all that ask for one share it, since it begins after they asked. */
  readonly #waiting = new Map<string, Promise<ListPage>>();

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

  /** A page of heads. Equal lists that wait for a slot are one read. */
  list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    const what = JSON.stringify([prefix, after, limit]);
    const waiting = this.#waiting.get(what);
    if (waiting !== undefined) return waiting;
    const read = () => {
      this.#waiting.delete(what);
      return this.#list(prefix, after, limit);
    };
    // In a microtask of its own, so that it is known as waiting before it begins.
    const page = Promise.resolve().then(() => this.#lists.run(read));
    this.#waiting.set(what, page);
    return page;
  }

  /** Reads from every partition its share of the page, then the head of each id. */
  async #list(prefix: string, after: string | undefined, limit: number): Promise<ListPage> {
    const start = Buffer.from(prefix);
    const end = prefix === '' ? '+' : Buffer.concat([Buffer.from('('), start, BEYOND]);
    const isLater = after !== undefined && Buffer.compare(Buffer.from(after), start) >= 0;
    const first = isLater ? `(${after}` : prefix === '' ? '-' : `[${prefix}`;
    const read: ReadRound<Buffer> = (asks, count) =>
      this.#ranges(
        asks.map(({ source, last }) => {
          const { slot, ids } = this.keys.partitions[source]!;
          const from = last ? Buffer.concat([Buffer.from('('), last]) : first;
          return { slot, key: ids, range: [from, end, 'BYLEX', 'LIMIT', 0, count] };
        }),
      );
    const found = (await kWayMerge(PARTITIONS, limit + 1, Buffer.compare, read)).map(String);
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
    const read = async ({ slot }: Partition, some: readonly string[]) => {
      const call = { script: HEADS_OF, keys: some.map((id) => this.keys.partitionOf(id).context(id)), args: [] };
      const found = (await this.cluster.call(slot, () => call)) as Buffer[];
      for (const [i, id] of some.entries()) {
        if (found[i]?.length) heads.set(id, decodeHead(found[i], headOf(id)).head);
      }
    };
    const [first] = this.keys.partitions as [Partition];
    const groups = this.cluster.isCluster || ids.length === 0 ? [...byPartition] : [[first, ids] as const];
    const reading = groups.map(([partition, some]) => read(partition, some));
    await Promise.all([...reading, ...[...byPartition.keys()].map((partition) => this.batches.news(partition))]);
    return heads;
  }

  /** A range of each of these sorted sets: in one call, but in a cluster, where each has a slot of its own. */
  #ranges(asked: readonly Range[]): Promise<Buffer[][]> {
    if (this.cluster.isCluster) {
      const each = ({ slot, key, range }: Range) => this.cluster.call(slot, () => ['zrange', key, ...range]);
      return Promise.all(asked.map(each)) as Promise<Buffer[][]>;
    }
    const [first] = asked;
    if (!first) return Promise.resolve([]);
    const args = [first.range.length, ...asked.flatMap(({ range }) => range)];
    const call = { script: RANGES, keys: asked.map(({ key }) => key), args };
    return this.cluster.call(first.slot, () => call) as Promise<Buffer[][]>;
  }

  async due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    const behind = after && { id: Buffer.from(after.id), key: after.key };
    const read: ReadRound<RawDue> = async (asks, count) => {
      const parts = asks.map(({ source, last = behind }) => ({ source, after: last, found: [] as RawDue[] }));
      let open = parts;
      for (let offset = 0; open.length > 0; offset += count) {
        const replies = await this.#ranges(
          open.map(({ source, after }) => {
            const partition = this.keys.partitions[source]!;
            const range = [after?.key ?? '-inf', upTo, 'BYSCORE', 'LIMIT', offset, count, 'WITHSCORES'];
            return { slot: partition.slot, key: partition.index(index), range };
          }),
        );
        open = open.filter(({ after, found }, i) => {
          const entries = pairs(replies[i]!);
          found.push(...entries.filter((entry) => !after || byKey(entry, after) > 0));
          return found.length < count && entries.length === count;
        });
      }
      return parts.map(({ found }) => found.slice(0, count));
    };
    const first = await kWayMerge(PARTITIONS, limit, byKey, read);
    return first.map(({ id, key }) => ({ id: id.toString(), key }));
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
