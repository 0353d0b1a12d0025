/**
 * How fast somebody may go: a token bucket that holds one second's worth, kept as what is owed. It has no timer; time
 * comes as an argument, in milliseconds of a clock that should not go backwards (where it does, nothing is paid back).
 */
const SECOND = 1000;

export class Bucket {
  /** What was taken and has not been paid back at `#at`. */
  #owed = 0;
  #at = 0;

  /**
   * How many milliseconds to wait until so much may be taken; 0: it may be now. What is more than one second's worth
   * may be taken when nothing is owed: it is paid back before the next.
   */
  wait(amount: number, perSecond: number, now: number): number {
    this.#settle(perSecond, now);
    const excess = Math.min(this.#owed, this.#owed + amount - perSecond);
    // One more than the whole milliseconds: after exactly this time it fits, whatever was rounded.
    return excess > 0 ? Math.floor((excess / perSecond) * SECOND) + 1 : 0;
  }

  /** At the time of the last `wait`. */
  take(amount: number): void {
    this.#owed += amount;
  }

  /** Takes it, however much is owed already. */
  owe(amount: number, perSecond: number, now: number): void {
    this.#settle(perSecond, now);
    this.#owed += amount;
  }

  /** Nothing is owed: it is like a new one. */
  idle(perSecond: number, now: number): boolean {
    this.#settle(perSecond, now);
    return this.#owed === 0;
  }

  #settle(perSecond: number, now: number): void {
    if (perSecond === Infinity) this.#owed = 0;
    else if (this.#owed > 0) this.#owed = Math.max(0, this.#owed - (Math.max(0, now - this.#at) / SECOND) * perSecond);
    this.#at = now;
  }
}
