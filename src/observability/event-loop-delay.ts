/**
 * Detects overload of this process: a timer measures the event-loop delay, which is how long all other work waits as
 * well. One long turn (a large document, a garbage collection) is not overload; several in a row are.
 */
const EVERY = 100;
const IN_A_ROW = 3;
/** This many late ticks in a row are a long overload, not a passing peak; the same number in time end it. */
const LONG_IN_A_ROW = 10;

export class EventLoopDelay {
  readonly #timer: NodeJS.Timeout | undefined;
  #expected = performance.now() + EVERY;
  /** Late ticks in a row; negative: ticks in time. */
  #inARow = 0;
  #forLong = false;

  /**
   * @param max allowed delay in milliseconds; 0: no limit
   * @param changed called when a long overload begins, and when it ends
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

  /** Records one tick. */
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
