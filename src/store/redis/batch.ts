/**
 * Batch commits, as other servers receive them. A server must know which contexts changed together before it sends the
 * first of them to a reader, and pub/sub alone may be late. So each partition has a short log of its batches, and every
 * read of a position also reads the rest of that log, in the same round trip.
 */
import type { Head } from '../../model/model.js';
import { decodeHead, headOf } from '../record-format.js';
import type { Cluster } from './cluster.js';
import type { Partition } from './keys.js';
import { HEADS } from './scripts/contexts.js';

export interface RedisBatchesOptions {
  readonly cluster: Cluster;
  /** Whether this server watches several contexts. If not, the logs are not read. */
  readonly watched: () => boolean;
  /** Reports contexts that changed in one batch, by any server. */
  readonly tell: (ids: readonly string[]) => void;
}

export class RedisBatches {
  /** The position up to which each log was read. */
  readonly #read = new Map<Partition, number>();

  constructor(private readonly options: RedisBatchesOptions) {}

  /** Reports every batch that was committed before this call reaches Redis, and was not reported yet. */
  async news(partition: Partition): Promise<void> {
    const { cluster, watched } = this.options;
    if (!watched()) return this.forget();
    const from = this.#read.get(partition);
    // The first read only finds the end of the log: no reader here has received anything older.
    const range = from === undefined ? ['xrevrange', '+', '-', 'COUNT', '1'] : ['xrange', `(${from}-0`, '+'];
    const [command, ...bounds] = range as [string, ...string[]];
    const entries = (await cluster.call(partition.slot, () => [command, partition.groups, ...bounds])) as Entry[];
    if (from !== undefined) this.#tellAll(partition, entries);
    else if (!this.#read.has(partition)) this.#read.set(partition, numberOf(entries[0]));
    // Another read was faster: batches between its read and this one must be reported.
    else if (this.#read.get(partition) !== numberOf(entries[0])) await this.news(partition);
  }

  /**
   * As `news`, at a message that this write was one of them. Where nothing of the partition was read before, the batch and
   * those since are told: it may have made contexts where there were none.
   */
  async heard(partition: Partition, nonce: string): Promise<void> {
    const { cluster, watched } = this.options;
    if (!watched() || this.#read.has(partition)) return this.news(partition);
    const call = ['xrange', partition.groups, '-', '+'] as const;
    const entries = (await cluster.call(partition.slot, () => call)) as Entry[];
    const first = entries.findIndex(([, [, by]]) => String(by) === nonce);
    this.#tellAll(partition, entries.slice(Math.max(0, first)));
  }

  /** The heads of these and of all that are in batches which were not told yet, and tells those. */
  async heads(partition: Partition, ids: readonly string[]): Promise<ReadonlyMap<string, Head | null>> {
    const from = this.#read.get(partition) ?? 0;
    const call = { script: HEADS, keys: [partition.groups, partition.context('')], args: [`(${from}-0`, ...ids] };
    const reply = (await this.options.cluster.call(partition.slot, () => call)) as [
      Entry[],
      Buffer[],
      (Buffer | null)[],
    ];
    const [entries, found, heads] = reply;
    this.#tellAll(partition, entries);
    return new Map(
      found.map((bytes, i) => {
        const id = String(bytes);
        const head = heads[i];
        return [id, head?.length ? decodeHead(head, headOf(id)).head : null];
      }),
    );
  }

  #tellAll(partition: Partition, entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (numberOf(entry) <= (this.#read.get(partition) ?? 0)) continue;
      this.#read.set(partition, numberOf(entry));
      const [, [, , , ids]] = entry;
      this.options.tell(JSON.parse(String(ids)) as string[]);
    }
  }

  /** Starts again: the next read only finds the end of the log. */
  forget(): void {
    this.#read.clear();
  }
}

/** `<number>-0`, then n, nonce, ids, the ids as JSON. */
type Entry = readonly [id: Buffer, fields: readonly [Buffer, Buffer, Buffer, Buffer]];

function numberOf(entry: Entry | undefined): number {
  return entry ? Number.parseInt(String(entry[0]), 10) : 0;
}
