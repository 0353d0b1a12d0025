import { setTimeout as delay } from 'node:timers/promises';

/** Between two looks, ms, and the most that a condition may take. */
const LOOK_MS = 20;
const MOST_MS = 60_000;

/**
 * Resolves when the condition holds. It looks in the next turns of the event loop, then every 20 ms, for a minute at most:
 * a condition that never comes true fails its test, and does not hold the whole suite.
 */
export async function until(condition: () => Promise<unknown> | unknown, what = String(condition)): Promise<void> {
  const end = performance.now() + MOST_MS;
  for (let looks = 0; !(await condition()); looks++) {
    if (performance.now() > end) throw new Error(`within ${MOST_MS / 1000} s it did not come true: ${what}`);
    if (looks < 100) await new Promise((resolve) => setImmediate(resolve));
    else await delay(LOOK_MS);
  }
}
