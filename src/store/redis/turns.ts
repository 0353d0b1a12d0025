/**
 * Turns of servers that write one context at the same time. Without them, a server whose writes conflict would read and evaluate
 * while the others commit on, and conflict again: it would wait for as long as the others have something to write.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteTurns } from '../store.js';
import type { Cluster } from './cluster.js';
import type { RedisKeys } from './keys.js';
import { TURN } from './scripts/contexts.js';

/** How long a turn lasts whose server does not end it, in milliseconds. */
const TURN_MS = 1000;
const WAIT_MS = 2000;
/** Between two looks at a turn of another server; more or less by half, so that no two servers keep pace. */
const LOOK_MS = 2;

export class RedisTurns implements WriteTurns {
  /** `server`: its nonces begin so. */
  constructor(
    private readonly cluster: Cluster,
    private readonly keys: RedisKeys,
    private readonly server: string,
  ) {}

  async take(id: string): Promise<void> {
    const end = performance.now() + WAIT_MS;
    while (!(await this.#call(id, TURN_MS)) && performance.now() < end) await sleep(LOOK_MS * (0.5 + Math.random()));
  }

  /** Where the call fails, the turn ends by itself. */
  end(id: string): void {
    this.#call(id, 0).catch(() => {});
  }

  async #call(id: string, ttl: number): Promise<boolean> {
    const partition = this.keys.partitionOf(id);
    const call = { script: TURN, keys: [partition.context(id)], args: [this.server, ttl] };
    return (await this.cluster.call(partition.slot, () => call)) === 1;
  }
}
