/**
 * Whether this process is behind: a timer measures how late the event loop comes to it, which is how long everything
 * else waits there too. One long turn (a large document, a collection of garbage) says nothing; several in a row do.
 */
const EVERY = 100;
const IN_A_ROW = 3;
/** So many in a row are no peak that passes; and as many in time are no lull. */
const LONG_IN_A_ROW = 10;

export class EventLoopDelay {
  readonly #timer: NodeJS.Timeout | undefined;
  #expected = performance.now() + EVERY;
  /** Looks that were late; negative: that were in time. */
  #inARow = 0;
  #forLong = false;

  /**
   * @param max how late it may come, in milliseconds; 0: as late as it likes
   * @param changed hears when it has been behind for long, and when it is not any more
   */
  constructor(
    max: number,
    private readonly changed: (forLong: boolean) => void = () => {},
  ) {
    if (max === 0) return;
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.look(now - this.#expected > max);
      this.#expected = now + EVERY;
    }, EVERY).unref();
  }

  get behind(): boolean {
    return this.#inARow >= IN_A_ROW;
  }

  /** One look. */
  look(late: boolean): void {
    this.#inARow = late ? Math.max(0, this.#inARow) + 1 : Math.min(0, this.#inARow) - 1;
    if (this.#inARow === (this.#forLong ? -LONG_IN_A_ROW : LONG_IN_A_ROW)) {
      this.#forLong = !this.#forLong;
      this.changed(this.#forLong);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#inARow = 0;
  }
}
