/** Timers: how long they can run, and waiting. */

/** Timers hold 31 bits of milliseconds, and longer ones end at once: both here and in a server on Node. */
const TIMER_MAX = 24 * 24 * 3_600_000;

/** @param duration milliseconds, perhaps without end */
export function sleepMax(duration: number): number {
  return Math.min(duration, TIMER_MAX);
}

/** Resolves after the time, or when the signal is aborted. @param duration milliseconds */
export function sleep(duration: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, sleepMax(duration));
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}
