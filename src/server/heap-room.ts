/**
 * Warns in the log before the heap of this process reaches its limit (`--max-old-space-size`), at which Node ends the process:
 * so that the log says why it ended.
 */
import { getHeapStatistics } from 'node:v8';
import type { Logger } from 'pino';

const EVERY = 1000;
/** Parts of the limit. Just below the limit the garbage collector takes most of the time; so it must not be too late. */
const LOW = 0.85;
const ENOUGH = 0.7;

export class HeapRoom {
  readonly #timer = setInterval(() => {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics();
    this.look(used, limit);
  }, EVERY).unref();
  #low = false;

  constructor(private readonly log: Pick<Logger, 'warn'>) {}

  /** Records how much of the heap is used, in bytes: garbage counts until it is collected. */
  look(used: number, limit: number): void {
    const low = used > (this.#low ? ENOUGH : LOW) * limit;
    if (low === this.#low) return;
    this.#low = low;
    this.log.warn({ used, limit }, low ? 'the heap is almost full' : 'the heap has room again');
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
