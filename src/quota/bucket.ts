/**
 * Limits a rate: a token bucket that holds one second's worth of tokens, stored as a debt. It has no timer; time is an
 * argument, in milliseconds of a clock that should not go backwards (a clock that does pays nothing back).
 */
const SECOND = 1000;

export class Bucket {
  /** The debt at `#at`. */
  #owed = 0;
  #at = 0;

  /**
   * Milliseconds until `amount` may be taken; 0: now. An amount of more than one second's worth may be taken when there
   * is no debt: it is paid back before the next one.
   */
  wait(amount: number, perSecond: number, now: number): number {
    this.#settle(perSecond, now);
    const excess = Math.min(this.#owed, this.#owed + amount - perSecond);
    // One more than the whole milliseconds: after exactly this time the amount fits, in spite of rounding.
    return excess > 0 ? Math.floor((excess / perSecond) * SECOND) + 1 : 0;
  }

  /** Takes the amount at the time of the last `wait`. */
  take(amount: number): void {
    this.#owed += amount;
  }

  /** Takes the amount, whatever the debt. */
  owe(amount: number, perSecond: number, now: number): void {
    this.#settle(perSecond, now);
    this.#owed += amount;
  }

  /** Whether there is no debt: the bucket equals a new one. */
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
