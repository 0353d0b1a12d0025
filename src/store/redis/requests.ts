/**
 * Forgetting requests. They are in no order of time, which would take as much memory as they do: now and then all of
 * them are looked at, some in each script.
 */
import type { Cluster } from './cluster.js';
import type { RedisKeys } from './keys.js';
import { FORGET, FORGET_FORMER } from './scripts/contexts.js';
import { NONCE_LENGTH, type RedisWrites } from './writes.js';

/** Where a pass begins in a hash, and what Redis says at its end. */
const START = '0';

export class RedisRequests {
  /** Where the pass under way stands: where the limit is reached, the next call goes on there. */
  #partition = 0;
  #cursor = START;

  constructor(
    private readonly cluster: Cluster,
    private readonly keys: RedisKeys,
    private readonly writes: RedisWrites,
  ) {}

  /** As `Store.forget`. */
  async forget(before: number, limit: number): Promise<number> {
    const { partitions } = this.keys;
    let count = this.writes.former ? await this.#forgetFormer(before, limit) : 0;
    for (; this.#partition < partitions.length; this.#partition++) {
      const { slot, answers } = partitions[this.#partition]!;
      do {
        if (count === limit) return count;
        const args = [before, limit - count, this.#cursor, NONCE_LENGTH];
        const call = { script: FORGET, keys: [answers], args };
        const [cursor, some] = (await this.cluster.call(slot, () => call)) as [Buffer, number];
        this.#cursor = String(cursor);
        count += some;
      } while (this.#cursor !== START);
    }
    this.#partition = 0;
    return count;
  }

  async #forgetFormer(before: number, limit: number): Promise<number> {
    const { partitions } = this.keys;
    const sizes = await Promise.all(
      partitions.map(({ slot, asked }) => this.cluster.call(slot, () => ['zcard', asked])),
    );
    const some = partitions.filter((_, i) => sizes[i] !== 0);
    this.writes.former = some.length > 0;
    let count = 0;
    for (const { slot, asked, answers } of some) {
      if (count === limit) break;
      const call = { script: FORGET_FORMER, keys: [asked, answers], args: [before, limit - count] };
      count += (await this.cluster.call(slot, () => call)) as number;
    }
    return count;
  }
}
