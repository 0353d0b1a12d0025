/** A call that may last for long: tried again as a watch connects again. */
import { ChordError, cancelled } from './errors.js';
import { DOUBTFUL_FAILURES_MAX, type RetryPolicy, Waits } from './retry.js';
import type { Transport } from './transport.js';

/**
 * Tries until success, a final error, or the end. A try that lasted for `backoffMax` is no failure in a row.
 * @param end milliseconds since 1970, or Infinity
 * @throws ChordError
 */
export async function patiently<T>(
  transport: Transport,
  policy: RetryPolicy,
  end: number,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  const waits = new Waits(policy);
  let doubts = 0;
  let refusals = 0;
  for (;;) {
    const begun = performance.now();
    waits.heard(begun);
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ChordError)) throw error;
      if (signal.aborted) throw error.transient ? cancelled() : error;
      if (performance.now() - begun >= policy.backoffMax) doubts = refusals = 0;
      // The server ends a wait after an hour.
      const late = error.reason === 'DEADLINE_EXCEEDED';
      const expired = error.reason === 'UNAUTHENTICATED' && transport.renews && refusals++ === 0;
      if (!(error.transient || late || expired)) throw error;
      if (!error.certain && !late && doubts++ >= DOUBTFUL_FAILURES_MAX) throw error;
      const delay = Math.max(waits.next(performance.now()), error.retryAfter ?? 0);
      if (delay >= end - Date.now()) throw error;
      await transport.pause(delay, signal);
    }
  }
}
