/** How long a timer can run. */

/** Timers hold 31 bits of milliseconds, and longer ones end at once: both here and in a server on Node. */
const TIMER_MAX = 24 * 24 * 3_600_000;

/** @param duration milliseconds, perhaps without end */
export function sleepMax(duration: number): number {
  return Math.min(duration, TIMER_MAX);
}
