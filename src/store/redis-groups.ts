/**
 * Commits of several contexts at once, as other servers hear of them. Whoever shows contexts to a reader must know that
 * they moved together before it reads the first of them, and pub/sub alone may be late. So each partition has a short
 * log of its groups, and whoever reads a position reads on in that log, in the same round trip.
 */
import type { Partition } from './redis-keys.js';
import type { Shards } from './redis-shards.js';

export interface GroupsOptions {
  readonly shards: Shards;
  /** Whether anybody here watches several contexts. Where nobody does, the logs are not read. */
  readonly watched: () => boolean;
  /** Whether a write of this server will be, or was, told by its answer. */
  readonly isOwn: (nonce: string) => boolean;
  /** These moved together. */
  readonly tell: (ids: readonly string[]) => void;
}

export class Groups {
  /** How far each log was read. */
  readonly #read = new Map<Partition, number>();

  constructor(private readonly options: GroupsOptions) {}

  /** Tells of every group that happened before this call reaches Redis, and was not told yet. */
  async news(partition: Partition): Promise<void> {
    const { shards, watched, isOwn, tell } = this.options;
    if (!watched()) return this.forget();
    const from = this.#read.get(partition);
    // At first only its end is of interest: nobody here has been shown anything older.
    const range = from === undefined ? ['xrevrange', '+', '-', 'COUNT', 1] : ['xrange', `(${from}-0`, '+'];
    const [command, ...bounds] = range as [string, ...string[]];
    const entries = (await shards.call(partition.slot, () => [command, partition.groups, ...bounds])) as Entry[];
    if (from === undefined) {
      if (!this.#read.has(partition)) this.#read.set(partition, numberOf(entries[0]));
      return;
    }
    for (const entry of entries) {
      if (numberOf(entry) <= (this.#read.get(partition) ?? 0)) continue;
      this.#read.set(partition, numberOf(entry));
      const [, [, nonce, , ids]] = entry;
      if (!isOwn(String(nonce))) tell(JSON.parse(String(ids)) as string[]);
    }
  }

  /** What is shown from now on begins anew. */
  forget(): void {
    this.#read.clear();
  }
}

/** `<number>-0`, then n, nonce, ids, their JSON. */
type Entry = readonly [id: Buffer, fields: readonly [Buffer, Buffer, Buffer, Buffer]];

function numberOf(entry: Entry | undefined): number {
  return entry ? Number.parseInt(String(entry[0]), 10) : 0;
}
