/**
 * Messages between simulated servers: late, lost, repeated, out of order. After a loss there is a gap, in a while. Batches
 * alone are certain: each is told, at the latest before a read answers a part of it.
 */
import type { BatchOperation, Feed, FeedEvent } from '../../../src/store/store.js';
import type { Random } from '../random.js';
import type { Loop } from './loop.js';

const GAP_AFTER = 1000;

/** How often things go wrong in a simulated history. Probabilities, each of one event. */
export interface Faults {
  /** Of a commit: the answer is lost. */
  readonly commitLost: number;
  /** Of a read: rejected. */
  readonly readFails: number;
  /** Of a message between servers. */
  readonly messageLost: number;
  readonly messageRepeated: number;
  /** The longest usual delay, in milliseconds. */
  readonly delayMax: number;
}

export class SimulatedFeed implements Feed {
  #listener: (event: FeedEvent) => void = () => {};
  readonly #ids = new Set<string>();
  readonly #prefixes = new Set<string>();
  /** Events on their way. */
  readonly #underWay = new Set<FeedEvent>();
  /** Batches that were not told yet, in order. */
  #batches: (readonly string[])[] = [];
  #lost = false;

  constructor(
    private readonly loop: Loop,
    private readonly random: Random,
    private readonly faults: () => Faults,
    private readonly alive: () => boolean,
  ) {}

  listen(listener: (event: FeedEvent) => void): void {
    this.#listener = listener;
  }

  async watchId(id: string): Promise<void> {
    await this.loop.sleep(this.random.below(this.faults().delayMax));
    this.#ids.add(id);
  }

  unwatchId(id: string): void {
    this.#ids.delete(id);
  }

  async watchPrefix(prefix: string): Promise<void> {
    await this.loop.sleep(this.random.below(this.faults().delayMax));
    this.#prefixes.add(prefix);
  }

  unwatchPrefix(prefix: string): void {
    this.#prefixes.delete(prefix);
  }

  async confirm(): Promise<void> {
    for (const event of [...this.#underWay]) this.#tell(event);
    this.tellBatches(this.#batches.flat());
    const lost = this.#lost;
    await this.loop.sleep(this.random.below(this.faults().delayMax));
    if (lost) throw new Error('messages were lost');
  }

  /** Another server has committed this. */
  publish(operations: readonly BatchOperation[], events: readonly FeedEvent[]): void {
    const ids = operations.map(({ id }) => id).filter((id) => this.#watches(id));
    if (operations.length > 1 && ids.length > 0) {
      this.#batches.push(ids);
      this.loop.later(this.#delay(), () => this.tellBatches(ids));
      return;
    }
    for (const event of events) {
      if (!('id' in event) || !this.#watches(event.id)) continue;
      if (this.random.chance(this.faults().messageLost)) {
        this.#lose();
        continue;
      }
      const copies = this.random.chance(this.faults().messageRepeated) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        // Each copy is an object of its own, as from the wire.
        const sent = { ...event };
        this.#underWay.add(sent);
        this.loop.later(this.#delay(), () => this.#underWay.has(sent) && this.#tell(sent));
      }
    }
  }

  /** Tells the batches up to the last one with any of these contexts. Answers the contexts of those. */
  tellBatches(ids: readonly string[]): readonly string[] {
    const last = this.#batches.findLastIndex((batch) => batch.some((id) => ids.includes(id)));
    const due = this.#batches.splice(0, last + 1);
    for (const batch of due) this.#tell({ kind: 'batch', ids: batch });
    return due.flat();
  }

  /** Something may have been missed. */
  gap(): void {
    this.#lost = false;
    this.#tell({ kind: 'gap' });
  }

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.loop.later(GAP_AFTER, () => this.gap());
  }

  #tell(event: FeedEvent): void {
    this.#underWay.delete(event);
    if (this.alive()) this.#listener(event);
  }

  #watches(id: string): boolean {
    if (this.#ids.has(id)) return true;
    for (const prefix of this.#prefixes) if (id.startsWith(prefix)) return true;
    return false;
  }

  #delay(): number {
    return this.random.below(this.random.chance(0.1) ? 30 * this.faults().delayMax : 1 + this.faults().delayMax);
  }
}
