/** The lanes in memory: least recently used go first, never while something is under way on them. */
import type { Lane } from './lane.js';

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  #bytes = 0;
  /**
   * Ends of the list of all lanes in order of use, which they hold themselves. (A Map in that order would do, but what
   * leaves it at the front leaves a hole there, and each look for the oldest would pass all the holes.)
   */
  #newest: Lane | undefined;
  #oldest: Lane | undefined;
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
    if (lane) this.#unlink(lane);
    else {
      lane = this.make(id, this.#changed);
      this.#lanes.set(id, lane);
      this.counts.misses++;
    }
    lane.older = this.#newest;
    if (lane.older) lane.older.newer = lane;
    else this.#oldest = lane;
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
    for (let lane = this.#oldest; lane && this.#bytes > this.bytesMax; ) {
      const { newer } = lane;
      if (!lane.busy && lane !== this.#newest) {
        this.#lanes.delete(lane.id);
        this.#unlink(lane);
        this.#bytes -= lane.bytesCounted;
        this.counts.evicted++;
      }
      lane = newer;
    }
  }

  #unlink(lane: Lane): void {
    const { older, newer } = lane;
    if (older) older.newer = newer;
    else this.#oldest = newer;
    if (newer) newer.older = older;
    else this.#newest = older;
    lane.older = lane.newer = undefined;
  }
}
