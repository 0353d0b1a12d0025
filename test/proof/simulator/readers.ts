/**
 * The readers of a simulated history. Whenever one of them may show what it has, that is checked: each state is durable and
 * right, of a batch it shows all or nothing, and no heartbeat vouches for more than was sent.
 */
import { isDeepStrictEqual } from 'node:util';
import { isUnavailable } from '../../../src/model/errors.js';
import type { WatchEvent } from '../../../src/watch/subscription.js';
import { type Copy, Reader } from '../../support/reader.js';
import type { Random } from '../random.js';
import { BatchWatch } from './batches.js';
import type { Disk } from './disk.js';
import type { Judge } from './judge.js';
import type { Loop } from './loop.js';
import { IDS, isPassing } from './requests.js';
import type { SimulatedServer } from './server.js';

interface Surroundings {
  readonly loop: Loop;
  readonly random: Random;
  readonly disk: Disk;
  readonly judge: Judge;
  /** One that runs, or none. */
  readonly server: () => SimulatedServer | undefined;
  readonly clock: () => number;
  /** Whether the clock was ever set back: what heartbeats vouch for is then not checked. */
  readonly turnedBack: () => boolean;
}

export class Readers {
  /** How often a reader could show what it had. */
  deliveries = 0;
  readonly #open = new Set<SimulatedReader>();
  readonly #batches: BatchWatch;

  constructor(private readonly around: Surroundings) {
    this.#batches = new BatchWatch(around.disk);
  }

  get size(): number {
    return this.#open.size;
  }

  [Symbol.iterator](): Iterator<SimulatedReader> {
    return [...this.#open][Symbol.iterator]();
  }

  /** Begins to watch, through a server that runs. */
  watch(targets: readonly string[], known: ReadonlyMap<string, Copy>): void {
    const server = this.around.server();
    if (!server) return;
    const reader: SimulatedReader = new SimulatedReader(targets, new Map(), server, (at) => this.#beat(reader, at));
    for (const [id, copy] of known) if (reader.covers(id)) reader.copies.set(id, copy);
    reader.shown = new Map(reader.copies);
    reader.onSettled = () => this.#settled(reader);
    this.#open.add(reader);
    reader.open(server.engine.contexts, server.engine.hub);
  }

  end(reader: SimulatedReader): void {
    reader.watcher.close();
    this.#open.delete(reader);
    this.#batches.forget(reader);
  }

  /** Those of a server that goes watch through another one. */
  leave(server: SimulatedServer): void {
    for (const reader of this) if (reader.server === server) this.#reopen(reader);
  }

  /** After each step. */
  check(): void {
    for (const reader of this.#open) {
      if (!reader.error) continue;
      if (!isUnavailable(reader.error))
        throw new Error(`a reader of ${reader.targets}: ${reader.error}; ${reader.log}`);
      // The store was away while the watch was opened: the stream ends, and the client opens another one.
      this.#reopen(reader);
    }
  }

  /** The faults have ended, and all are served: each is sent all that it lacks, and ends. */
  async finish(): Promise<void> {
    const { loop } = this.around;
    for (const reader of this.#open) reader.resume();
    // A heartbeat that waited while a reader stalled is no answer to this one.
    const waits = () => [...this.#open].some(({ watcher }) => watcher.size.waiting > 0);
    for (let i = 0; i < 100 && (i === 0 || waits()); i++) await loop.sleep(1000);
    await Promise.all([...this.#open].map((reader) => reader.beat()));
    for (const reader of this.#open) this.#compare(reader);
    for (const reader of this) this.end(reader);
  }

  #reopen(reader: SimulatedReader): void {
    const { loop, random } = this.around;
    this.end(reader);
    loop.later(random.below(500), () => this.watch(reader.targets, reader.shown));
  }

  #settled(reader: SimulatedReader): void {
    const { judge } = this.around;
    try {
      this.deliveries++;
      for (const [id, copy] of reader.copies) {
        if (reader.shown.get(id) === copy) continue;
        judge.saw(`a reader of ${reader.targets}`, id, copy.position, copy.value);
      }
      reader.shown = new Map(reader.copies);
      if (reader.log.includes('caught_up')) this.#batches.shows(reader, reader.shown);
    } catch (error) {
      judge.failure ??= error;
    }
  }

  /** A heartbeat says that all is here that was acknowledged before. */
  #beat(reader: SimulatedReader, at: number): void {
    const { clock, disk, judge, turnedBack } = this.around;
    if (turnedBack() || at > clock()) return;
    for (const id of IDS) {
      if (!reader.covers(id)) continue;
      const chain = disk.chainOf(id);
      const place = judge.acknowledgedBefore(id, at);
      const copy = reader.copies.get(id);
      // It may have expired, and not have been removed yet.
      if (!copy && isPassing(id)) continue;
      const has = copy ? disk.at(id, copy.position)!.place : chain.findLastIndex(({ position }) => !position);
      if (has >= place) continue;
      judge.failure ??= new Error(
        `a heartbeat of ${at} to a reader of ${reader.targets}, which has ${id}[${has}] and not [${place}]; ${reader.log}`,
      );
    }
  }

  #compare(reader: SimulatedReader): void {
    for (const id of IDS) {
      if (!reader.covers(id)) continue;
      const { position, document } = this.around.disk.newest(id);
      const copy = reader.copies.get(id);
      if (position ? isDeepStrictEqual(copy, { position, value: document }) : copy === undefined) continue;
      const who = `a reader of ${reader.targets} (${reader.log})`;
      throw new Error(`${who} has ${id} ${JSON.stringify(copy)}, and not ${JSON.stringify({ position, document })}`);
    }
  }
}

/** Reads through a server that may go, and then goes on through another one with what could be shown last. */
export class SimulatedReader extends Reader {
  shown: ReadonlyMap<string, Copy>;

  constructor(
    targets: readonly string[],
    known: ReadonlyMap<string, Copy>,
    readonly server: SimulatedServer,
    private readonly onBeat: (at: number) => void,
  ) {
    super(targets, known);
    this.shown = known;
  }

  override send(event: WatchEvent, more: boolean): void {
    if (!this.server.alive) return;
    if (event.kind === 'heartbeat' && event.at !== undefined) this.onBeat(event.at);
    super.send(event, more);
  }

  override fail(error: unknown): void {
    if (this.server.alive) super.fail(error);
  }

  override ready(): boolean {
    return this.server.alive && super.ready();
  }

  covers(id: string): boolean {
    return this.targets.some((target) => (target.endsWith('*') ? id.startsWith(target.slice(0, -1)) : id === target));
  }
}
