/** A simulated server: all of Chord but its network, on a simulated store. And a reader that watches through it. */

import { type Engine, openChord } from '../../../src/server/app.js';
import type { WatchEvent } from '../../../src/watch/subscription.js';
import type { Copy } from '../../support/reader.js';
import { Reader } from '../../support/reader.js';
import type { SimulatedStore } from './store.js';

export interface EngineSettings {
  readonly cacheBytes: number;
  readonly deltaThreshold: number;
}

export class SimulatedServer {
  private constructor(
    readonly engine: Engine,
    readonly store: SimulatedStore,
  ) {}

  static async start(store: SimulatedStore, clock: () => number, settings: EngineSettings): Promise<SimulatedServer> {
    const requestTtl = 86_400_000;
    const engine = await openChord({
      store,
      clock,
      requestTtl,
      cleanupInterval: 0,
      contextAutoDelete: false,
      ...settings,
    });
    return new SimulatedServer(engine, store);
  }

  get alive(): boolean {
    return this.store.alive;
  }

  /** As by SIGKILL. */
  kill(): void {
    this.store.die();
    void this.engine.cleanup.close();
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
