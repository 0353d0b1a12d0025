/**
 * Time slices of the event loop. Watchers with much work (opening a prefix, catching up on many contexts) work in steps,
 * and all watchers of a process together take one slice in each turn of the loop: so other work runs between two slices,
 * however many watchers there are.
 */

/** Steps in one slice; a step is about one look-up of a context in memory. */
export const SLICE_STEPS = 100;
/** A slice also ends after this time: a step with a large document takes longer. */
const SLICE_MS = 4;

export class Slices {
  #steps = 0;
  #began = 0;
  /** The next turn of the loop is scheduled. */
  #asked = false;
  #waiting: (() => void)[] = [];

  constructor(private readonly now = (): number => performance.now()) {}

  /** Counts steps. True: the slice is used up; wait for the next one before going on. */
  spend(steps = 1): boolean {
    if (!this.#asked) {
      this.#asked = true;
      this.#began = this.now();
      setImmediate(this.#next);
    }
    this.#steps += steps;
    return this.#steps > SLICE_STEPS || this.now() - this.#began > SLICE_MS;
  }

  next(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  /** In each turn, one waiting watcher goes on, in order of arrival. */
  readonly #next = (): void => {
    this.#steps = 0;
    const first = this.#waiting.shift();
    this.#asked = first !== undefined;
    if (!first) return;
    this.#began = this.now();
    setImmediate(this.#next);
    first();
  };
}
