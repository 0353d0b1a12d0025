/** When to try again, and after how long. */
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import { ChordError } from './errors.js';

/** Durations in milliseconds. */
export interface RetryPolicy {
  /** Tries of one call; 1: none is repeated. */
  readonly attempts: number;
  /** For one try. */
  readonly attemptTimeout: number;
  readonly backoffMin: number;
  readonly backoffMax: number;
}

export const RETRY_DEFAULT: RetryPolicy = { attempts: 10, attemptTimeout: 3000, backoffMin: 100, backoffMax: 10_000 };

/** The wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once. */
export function backoff({ backoffMin, backoffMax }: RetryPolicy, failures: number): number {
  return Math.min(backoffMax, backoffMin * 2 ** failures) * (0.5 + Math.random() / 2);
}

/**
 * Tries until success, a final error, or the end of attempts or time.
 * @param end milliseconds since 1970; each try gets its own, no later
 * @throws the last try's error
 */
export async function retrying<T>(
  policy: RetryPolicy,
  end: number,
  signal: AbortSignal | undefined,
  attempt: (end: number) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await attempt(Math.min(end, Date.now() + policy.attemptTimeout));
    } catch (error) {
      if (!(error instanceof ChordError) || signal?.aborted) throw error;
      const again = error.transient || error.code === status.DEADLINE_EXCEEDED;
      // Never more than half of what is left: a long backoff must not end a call early.
      const left = end - Date.now();
      const wait = Math.max(Math.min(backoff(policy, failures), left / 2), error.retryAfter ?? 0);
      if (!again || failures + 1 >= policy.attempts || wait >= left) throw error;
      await sleep(wait, undefined, signal && { signal }).catch(() => {
        throw error;
      });
    }
  }
}
