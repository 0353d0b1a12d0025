/**
 * Counts the most frequent keys in bounded memory: the algorithm "space saving" (Metwally, Agrawal, El Abbadi, 2005). A
 * new key takes the place and the count of the least frequent key: a count may be too high, by at most the least count,
 * and is never too low. Counts decay, so that formerly busy keys give way.
 */
const KEYS_MAX = 256;
/** The share of a count that remains at each decay. */
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
  /** Number of intervals that the counts stand for, the older ones decayed. */
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

  /** Counts for one interval, with older intervals weighing less. Then decays the counts. */
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

  /** Removes the least frequent key; its count passes to the new key, as the kind (read or write) being counted. */
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
