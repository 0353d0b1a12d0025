/**
 * Whether this process is behind: a timer measures how late the event loop comes to it, which is how long everything
 * else waits there too. One long turn (a large document, a collection of garbage) says nothing; several in a row do.
 */
const EVERY = 100;
const IN_A_ROW = 3;

export class Lateness {
  readonly #timer: NodeJS.Timeout | undefined;
  #expected = performance.now() + EVERY;
  #inARow = 0;

  /** @param max how late it may come, in milliseconds; 0: as late as it likes */
  constructor(max: number) {
    if (max === 0) return;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#inARow = now - this.#expected > max ? this.#inARow + 1 : 0;
      this.#expected = now + EVERY;
    }, EVERY).unref();
  }

  get behind(): boolean {
    return this.#inARow >= IN_A_ROW;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#inARow = 0;
  }
}
