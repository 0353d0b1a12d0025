/** Bounded parallelism: a counting semaphore whose waiters are served in order. */
export class Slots {
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly max: number) {}

  /** Does the work as soon as fewer than `max` are under way. Work that waits for other work of the same slots never ends. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#taken === this.max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#taken++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift(); // the slot goes to the next one
      if (next) next();
      else this.#taken--;
    }
  }
}
