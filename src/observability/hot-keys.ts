/**
 * The keys that come most often, in bounded memory: the algorithm "space saving" (Metwally, Agrawal, El Abbadi, 2005).
 * A key that is new takes the place of the one that came least often, and its count: so a count may be too high, by
 * what the least frequent key has, and never too low. Counts decay, so that what was busy once gives way.
 */
const KEYS_MAX = 256;
/** What is left of a count at each decay. */
const DECAY = 0.5;

export interface Counted {
  readonly key: string;
  readonly writes: number;
  readonly reads: number;
}

interface Count {
  writes: number;
  reads: number;
}

export class HotKeys {
  readonly #counts = new Map<string, Count>();
  /** How many intervals the counts stand for, the older ones decayed. */
  #weight = 1;

  add(key: string, write: boolean): void {
    let count = this.#counts.get(key);
    if (!count) {
      count = this.#counts.size < KEYS_MAX ? { writes: 0, reads: 0 } : this.#takeLeast(write);
      this.#counts.set(key, count);
    }
    if (write) count.writes++;
    else count.reads++;
  }

  /** Counts for one interval, the older ones weighing less. Then they decay. */
  take(most: number): Counted[] {
    const all = [...this.#counts].map(([key, { writes, reads }]) => {
      return { key, writes: writes / this.#weight, reads: reads / this.#weight };
    });
    for (const [key, count] of this.#counts) {
      count.writes *= DECAY;
      count.reads *= DECAY;
      if (sum(count) < DECAY) this.#counts.delete(key);
    }
    this.#weight = 1 + DECAY * this.#weight;
    return all.sort((a, b) => sum(b) - sum(a)).slice(0, most);
  }

  /** Its count goes over to the new key, as what that one is about to be counted as. */
  #takeLeast(write: boolean): Count {
    let least: [string, Count] | undefined;
    for (const each of this.#counts) if (!least || sum(each[1]) < sum(least[1])) least = each;
    const [key, count] = least as [string, Count];
    this.#counts.delete(key);
    const all = sum(count);
    return write ? { writes: all, reads: 0 } : { writes: 0, reads: all };
  }
}

function sum({ writes, reads }: Count): number {
  return writes + reads;
}
