/** A simulated server: all of Chord but its network, on a simulated store. */
import { type Engine, openChord } from '../../../src/server/app.js';
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
