/** The lanes in memory. The least recently used lane is evicted first, and never while it is busy. */
import type { Lane } from './lane.js';

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  #bytes = 0;
  /**
   * Ends of the linked list of all lanes in order of use. (A Map in that order is slower: a deleted first entry leaves
   * a hole, and each search for the oldest entry would pass all holes.)
   */
  #newest: Lane | undefined;
  #oldest: Lane | undefined;
  /** Look-ups, look-ups without a lane in memory, and evicted lanes. */
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

  /** The lane, where it is in memory. */
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

  /** All lanes in memory. */
  all(): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  readonly #changed = (lane: Lane): void => {
    // A lane that was evicted while a caller still referred to it must not come back.
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
