/**
 * One clock for all servers of a store: that of Redis, as the master of one fixed slot has it. Between two looks at it
 * time goes on by this process's own steady clock, so a clock of this machine that is wrong or set anew changes nothing.
 */
import type { Cluster } from './cluster.js';

const LOOK_EVERY = 10_000;
/** A look that took longer than this, in milliseconds, is not believed while an older one is at hand. */
const TRIP_MAX = 100;

export class RedisClock {
  /** What Redis says, less what `performance.now` says. Milliseconds. */
  #offset = performance.timeOrigin;
  #known = false;
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly cluster: Cluster,
    private readonly slot: number,
  ) {
    this.#timer = setInterval(() => void this.look().catch(() => {}), LOOK_EVERY).unref();
    // Perhaps another master has taken over, with a clock of its own.
    cluster.listeners.push(() => void this.look().catch(() => {}));
  }

  readonly now = (): number => Math.floor(performance.now() + this.#offset);

  /** Rejects as `Cluster.call`; then time goes on as before. Off by half of the round trip at most. */
  async look(): Promise<void> {
    const sent = performance.now();
    const [seconds, micros] = (await this.cluster.call(this.slot, () => ['time'])) as [Buffer, Buffer];
    const received = performance.now();
    if (this.#known && received - sent > TRIP_MAX) return;
    this.#known = true;
    this.#offset = Number(String(seconds)) * 1000 + Number(String(micros)) / 1000 - (sent + received) / 2;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
