/**
 * Shares of the event loop. Watchers that have much to do (a prefix to open, many contexts to catch up on) do it in
 * steps, and all watchers of a process together take one slice in each turn of the loop: between two slices everything
 * else has its turn, however many watchers there are.
 */

/** Steps of one slice; a step is about one context that is looked up in memory. */
export const SLICE_STEPS = 100;
/** Steps may be long, where documents are: then a slice ends earlier. */
const SLICE_MS = 4;

export class Slices {
  #steps = 0;
  #began = 0;
  /** The next turn of the loop has been asked for. */
  #asked = false;
  #waiting: (() => void)[] = [];

  /** So many steps are taken. True: the slice is used up, first wait for the next one. */
  spend(steps = 1): boolean {
    if (!this.#asked) {
      this.#asked = true;
      this.#began = performance.now();
      setImmediate(this.#next);
    }
    this.#steps += steps;
    return this.#steps > SLICE_STEPS || performance.now() - this.#began > SLICE_MS;
  }

  next(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  /** In each turn one of those that wait goes on, first come, first served. */
  readonly #next = (): void => {
    this.#steps = 0;
    const first = this.#waiting.shift();
    this.#asked = first !== undefined;
    if (!first) return;
    this.#began = performance.now();
    setImmediate(this.#next);
    first();
  };
}
