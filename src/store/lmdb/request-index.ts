/**
 * Finds the row of a request by its name, in memory: eight bytes for each name, and a third more that stay free.
 *
 * Open addressing, in generations: a full one is followed by a new one, and the oldest goes as a whole when its rows
 * have gone. A slot has 32 bits of the name's hash, so that a row that is found may be another name's: callers compare.
 * Beyond the maximum the oldest names are lost; names of forgotten rows stay until their generation goes.
 */
import { randomInt } from 'node:crypto';

/** Some 45 MB. At 1,000 writes a second, more than an hour. */
export const NAMES_MAX = 4_000_000;
const SLOTS_MIN = 2 ** 12;
const SLOTS_MAX = 2 ** 18;

export class RequestIndex {
  readonly #generations: Generation[] = [];
  /** Of this process alone: so no caller can choose names with equal hashes. */
  readonly #seed = randomInt(2 ** 32);
  #names = 0;

  constructor(private readonly namesMax = NAMES_MAX) {}

  /** The slots of all generations, of eight bytes each. */
  get slots(): number {
    return this.#generations.reduce((sum, { slots }) => sum + slots, 0);
  }

  /** Rows must come in ascending order. */
  add(name: string, row: number): void {
    let last = this.#generations.at(-1);
    if (!last || last.full) {
      // About as many as are remembered now: where old ones are forgotten as new ones come, the memory stays as it is.
      last = new Generation(Math.min(SLOTS_MAX, Math.max(SLOTS_MIN, 2 ** Math.ceil(Math.log2(this.#names)))), row);
      this.#generations.push(last);
    }
    last.add(hash(name, this.#seed), row);
    this.#names++;
    if (this.#names > this.namesMax && this.#generations.length > 1) this.#dropOldest();
  }

  /** What `look` finds in one of the rows that may have the name, the newest first; undefined: in none. */
  find<T>(name: string, look: (row: number) => T | undefined): T | undefined {
    const tag = hash(name, this.#seed);
    for (let i = this.#generations.length - 1; i >= 0; i--) {
      const found = this.#generations[i]!.find(tag, look);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Rows before this one exist no more. */
  forget(before: number): void {
    while (this.#generations.length > 1 && this.#generations[0]!.last < before) this.#dropOldest();
  }

  #dropOldest(): void {
    this.#names -= this.#generations.shift()!.names;
  }
}

class Generation {
  readonly #tags: Uint32Array;
  /** The row less the first row, plus 1; 0: a free slot. */
  readonly #rows: Uint32Array;
  names = 0;
  last: number;

  constructor(
    readonly slots: number,
    private readonly first: number,
  ) {
    this.#tags = new Uint32Array(slots);
    this.#rows = new Uint32Array(slots);
    this.last = first;
  }

  get full(): boolean {
    return this.names >= 0.75 * this.slots;
  }

  add(tag: number, row: number): void {
    let slot = tag & (this.slots - 1);
    while (this.#rows[slot] !== 0) slot = (slot + 1) & (this.slots - 1);
    this.#tags[slot] = tag;
    this.#rows[slot] = row - this.first + 1;
    this.last = row;
    this.names++;
  }

  find<T>(tag: number, look: (row: number) => T | undefined): T | undefined {
    for (let slot = tag & (this.slots - 1); this.#rows[slot] !== 0; slot = (slot + 1) & (this.slots - 1)) {
      if (this.#tags[slot] !== tag) continue;
      const found = look(this.#rows[slot]! + this.first - 1);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** FNV-1a over UTF-16 units, and the finish of MurmurHash3: 32 bits. */
function hash(text: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
