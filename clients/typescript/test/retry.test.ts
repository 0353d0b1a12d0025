import { status } from '@grpc/grpc-js';
import test from 'ava';
import { Gate } from '../src/gate.js';
import { ChordError } from '../src/index.js';
import { backoff, RETRY_DEFAULT, type RetryPolicy, retrying, Waits } from '../src/retry.js';

const policy = { ...RETRY_DEFAULT, backoffMin: 1, backoffMax: 4 };
const unavailable = new ChordError('UNAVAILABLE', 'away', status.UNAVAILABLE, {}, true);
const late = new ChordError('DEADLINE_EXCEEDED', 'late', status.DEADLINE_EXCEEDED);
const final = new ChordError('ABORTED', 'elsewhere', status.ABORTED);

const trying = <T>(
  tried: RetryPolicy,
  attempt: (end: number) => Promise<T>,
  { duration = 60_000, caller }: { duration?: number; caller?: AbortSignal } = {},
) => retrying(tried, duration, new Gate(1), { caller, client: new AbortController().signal }, attempt);

/** Fails with these errors, one after the other, then succeeds. */
function failing(...errors: Error[]) {
  const tries: number[] = [];
  const attempt = async (end: number) => {
    tries.push(end);
    const error = errors[tries.length - 1];
    if (error) throw error;
    return tries.length;
  };
  return { tries, attempt };
}

test('tries again after transient errors and tries that took too long', async (t) => {
  const { attempt } = failing(unavailable, late, unavailable);
  t.is(await trying(policy, attempt), 4);
});

test('never after a final error', async (t) => {
  const { attempt, tries } = failing(unavailable, final);
  t.is(await t.throwsAsync(trying(policy, attempt)), final);
  t.is(tries.length, 2);
});

test('no more often than the policy says', async (t) => {
  const { attempt, tries } = failing(...Array(9).fill(unavailable));
  t.is(await t.throwsAsync(trying({ ...policy, attempts: 3 }, attempt)), unavailable);
  t.is(tries.length, 3);
});

test('not when the wait would outlast the deadline', async (t) => {
  const patient = new ChordError('UNAVAILABLE', 'later', status.UNAVAILABLE, { retryAfter: 90_000 }, true);
  const { attempt, tries } = failing(patient);
  t.is(await t.throwsAsync(trying(policy, attempt)), patient);
  t.is(tries.length, 1);
});

test('no try outlives the call', async (t) => {
  const { attempt, tries } = failing();
  const before = Date.now();
  await trying(policy, attempt, { duration: 10 });
  t.true(tries[0]! >= before + 10 && tries[0]! <= Date.now() + 10);
});

test('an abort is CANCELLED wherever it comes: before a try, during one that fails, in the wait after it', async (t) => {
  const slow = { ...policy, backoffMin: 60_000, backoffMax: 60_000 };
  const reason = async (attempt: (end: number) => Promise<unknown>, caller: AbortSignal) =>
    (await t.throwsAsync<ChordError>(trying(slow, attempt, { duration: 1e6, caller })))?.reason;
  const { attempt, tries } = failing();
  t.is(await reason(attempt, AbortSignal.abort()), 'CANCELLED');
  t.is(tries.length, 0);
  for (let turns = 0; turns < 10; turns++) {
    const controller = new AbortController();
    const abort = async () => {
      for (let i = 0; i < turns; i++) await undefined;
      controller.abort();
    };
    const failingThen = async () => {
      void abort();
      throw unavailable;
    };
    t.is(await reason(failingThen, controller.signal), 'CANCELLED', `${turns} microtasks after the failure`);
  }
  const controller = new AbortController();
  const refused = async () => {
    controller.abort();
    throw final;
  };
  t.is(await reason(refused, controller.signal), 'ABORTED', 'the answer was there');
});

test('the backoff doubles up to its limit, and is random in its upper half', (t) => {
  for (let failures = 0; failures < 2000; failures++) {
    const whole = Math.min(10_000, 100 * 2 ** (failures % 20));
    const wait = backoff(RETRY_DEFAULT, failures % 20);
    t.true(wait >= whole / 2 && wait <= whole);
  }
});

test('the error is the cause, not the deadline of the last attempt', async (t) => {
  const { attempt } = failing(late, unavailable, late, late);
  t.is(await t.throwsAsync(trying({ ...policy, attempts: 4 }, attempt)), unavailable);
  const { attempt: slow } = failing(late, late);
  t.is(await t.throwsAsync(trying({ ...policy, attempts: 2 }, slow)), late);
});

test('times beyond the timers of Node are cut', async (t) => {
  for (const duration of [Number.POSITIVE_INFINITY, 2 ** 31]) {
    const { attempt, tries } = failing();
    await trying({ ...policy, attemptTimeout: duration }, attempt, { duration });
    t.true(tries[0]! - Date.now() < 2 ** 31 - 1);
  }
});

test('a message alone does not begin the backoff anew; a stream that lived does', (t) => {
  const waits = new Waits(RETRY_DEFAULT);
  let now = 0;
  const wait = (lived: number) => {
    waits.heard(now);
    waits.heard(now + lived);
    now += lived;
    return waits.next(now);
  };
  for (let n = 0; n < 7; n++) t.true(wait(1) >= (100 * 2 ** n) / 2);
  t.true(wait(9_999) >= 5_000);
  t.true(wait(10_000) <= 100);
  t.true(wait(0) <= 200);
});
