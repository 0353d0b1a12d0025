import { status } from '@grpc/grpc-js';
import test from 'ava';
import { ChordError } from '../src/index.js';
import { backoff, RETRY_DEFAULT, retrying } from '../src/retry.js';

const policy = { ...RETRY_DEFAULT, backoffMin: 1, backoffMax: 4 };
const unavailable = new ChordError('UNAVAILABLE', 'away', status.UNAVAILABLE, {}, true);
const late = new ChordError('DEADLINE_EXCEEDED', 'late', status.DEADLINE_EXCEEDED);
const final = new ChordError('ABORTED', 'elsewhere', status.ABORTED);
const soon = () => Date.now() + 60_000;

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
  t.is(await retrying(policy, soon(), undefined, attempt), 4);
});

test('never after a final error', async (t) => {
  const { attempt, tries } = failing(unavailable, final);
  t.is(await t.throwsAsync(retrying(policy, soon(), undefined, attempt)), final);
  t.is(tries.length, 2);
});

test('no more often than the policy says', async (t) => {
  const { attempt, tries } = failing(...Array(9).fill(unavailable));
  t.is(await t.throwsAsync(retrying({ ...policy, attempts: 3 }, soon(), undefined, attempt)), unavailable);
  t.is(tries.length, 3);
});

test('not when the wait would outlast the deadline', async (t) => {
  const patient = new ChordError('UNAVAILABLE', 'later', status.UNAVAILABLE, { retryAfter: 90_000 }, true);
  const { attempt, tries } = failing(patient);
  t.is(await t.throwsAsync(retrying(policy, soon(), undefined, attempt)), patient);
  t.is(tries.length, 1);
});

test('no try outlives the call', async (t) => {
  const { attempt, tries } = failing();
  const end = Date.now() + 10;
  await retrying(policy, end, undefined, attempt);
  t.is(tries[0], end);
});

test('an abort ends the wait', async (t) => {
  const controller = new AbortController();
  const slow = { ...policy, backoffMin: 60_000, backoffMax: 60_000 };
  const attempt = async () => {
    queueMicrotask(() => controller.abort());
    throw unavailable;
  };
  t.is(await t.throwsAsync(retrying(slow, Date.now() + 1e6, controller.signal, attempt)), unavailable);
});

test('the backoff doubles up to its limit, and is random in its upper half', (t) => {
  for (let failures = 0; failures < 2000; failures++) {
    const whole = Math.min(10_000, 100 * 2 ** (failures % 20));
    const wait = backoff(RETRY_DEFAULT, failures % 20);
    t.true(wait >= whole / 2 && wait <= whole);
  }
});
