/** The lanes in memory: least recently used go first, never while something is under way on them. */
import type { Lane } from './lane.js';

export class Lanes {
  /** In order of use: Map keeps insertion order, so a lane that is used again moves to the end. */
  readonly #lanes = new Map<string, Lane>();
  #bytes = 0;
  #newest: Lane | undefined;
  /** Look-ups, contexts that were not there, and contexts that had to leave. */
  readonly counts = { lookups: 0, misses: 0, evicted: 0 };

  constructor(
    private readonly bytesMax: number,
    private readonly make: (id: string, changed: (lane: Lane) => void) => Lane,
  ) {}

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#lanes.size;
  }

  /** The lane in memory, if it is there. */
  peek(id: string): Lane | undefined {
    return this.#lanes.get(id);
  }

  get(id: string): Lane {
    this.counts.lookups++;
    let lane = this.#lanes.get(id);
    if (lane && lane === this.#newest) return lane;
    if (lane) this.#lanes.delete(id);
    else {
      lane = this.make(id, this.#changed);
      this.counts.misses++;
    }
    this.#lanes.set(id, lane);
    this.#newest = lane;
    return lane;
  }

  /** Every lane that is in memory now. */
  all(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  readonly #changed = (lane: Lane): void => {
    // A lane that was forgotten while somebody still held it does not come back.
    if (this.#lanes.get(lane.id) !== lane) return;
    const bytes = lane.bytes;
    this.#bytes += bytes - lane.bytesCounted;
    lane.bytesCounted = bytes;
    if (this.#bytes > this.bytesMax) this.#evict();
  };

  #evict(): void {
    for (const [id, lane] of this.#lanes) {
      if (this.#bytes <= this.bytesMax) return;
      if (lane.busy || lane === this.#newest) continue;
      this.#lanes.delete(id);
      this.#bytes -= lane.bytesCounted;
      this.counts.evicted++;
    }
  }
}
