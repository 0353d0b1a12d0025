/** When to try again, and after how long. */
import { status } from './codes.js';
import { ChordError, cancelled } from './errors.js';
import type { Gate } from './gate.js';
import { sleep, sleepMax } from './timers.js';

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

/** In a row, of a watch or a wait: errors other than UNAVAILABLE may be the network's, or be there to stay. */
export const DOUBTFUL_FAILURES_MAX = 5;

/** The wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once. */
export function backoff({ backoffMin, backoffMax }: RetryPolicy, failures: number): number {
  return Math.min(backoffMax, backoffMin * 2 ** failures) * (0.5 + Math.random() / 2);
}

/** How long a watch waits after each of its failures. A message alone is no health: a stream that lived for long is. */
export class Waits {
  #failures = 0;
  #since: number | undefined;

  constructor(private readonly policy: RetryPolicy) {}

  /** A message has come. @param now milliseconds of any clock */
  heard(now: number): void {
    this.#since ??= now;
  }

  /** The stream has ended: answers milliseconds. */
  next(now: number): number {
    if (this.#since !== undefined && now - this.#since >= this.policy.backoffMax) this.#failures = 0;
    this.#since = undefined;
    return backoff(this.policy, this.#failures++);
  }
}

/**
 * Tries until success, a final error, or the end of attempts or time.
 * @param duration milliseconds for all tries
 * @param signals the caller's, and that of the client's end
 * @param attempt gets its own end, milliseconds since 1970
 * @throws the last try's error; in place of one that its time cut off, the first of another kind: the cause
 */
export async function retrying<T>(
  policy: RetryPolicy,
  duration: number,
  gate: Gate,
  signals: { readonly caller: AbortSignal | undefined; readonly client: AbortSignal },
  attempt: (end: number) => Promise<T>,
): Promise<T> {
  const end = Date.now() + sleepMax(duration);
  let cause: ChordError | undefined;
  for (let failures = 0; ; failures++) {
    try {
      return await inTurn(gate, end, signals.caller, () =>
        attempt(Math.min(end, Date.now() + sleepMax(policy.attemptTimeout))),
      );
    } catch (error) {
      if (!(error instanceof ChordError) || signals.client.aborted) throw error;
      const late = error.code === status.DEADLINE_EXCEEDED;
      if (signals.caller?.aborted) throw error.transient || late ? cancelled() : error;
      if (!late) cause ??= error;
      // Never more than half of what is left: a long backoff must not end a call early.
      const left = end - Date.now();
      const wait = Math.max(Math.min(backoff(policy, failures), left / 2), error.retryAfter ?? 0);
      if (!(error.transient || late) || failures + 1 >= policy.attempts || wait >= left) {
        throw late ? (cause ?? error) : error;
      }
      const signal = signals.caller ? AbortSignal.any([signals.caller, signals.client]) : signals.client;
      await sleep(wait, signal); // where one is aborted, the next try says so
    }
  }
}

/** One of the calls that the gate lets through at a time. */
export async function inTurn<T>(
  gate: Gate,
  end: number,
  signal: AbortSignal | undefined,
  call: () => Promise<T>,
): Promise<T> {
  const turn = gate.enter(end, signal);
  if (turn !== undefined) await turn;
  try {
    if (signal?.aborted) throw cancelled();
    return await call();
  } finally {
    gate.leave();
  }
}
