/** The bucket against what it should mean: in any stretch of time no more than its rate, and one second's worth. */
import test from 'ava';
import fc from 'fast-check';
import { Bucket } from '../../src/quota/bucket.js';

interface Taken {
  readonly at: number;
  readonly amount: number;
}

/** What may be taken in a stretch of time that ends with this amount. An amount above a second's worth stands alone. */
function allowance(perSecond: number, from: number, to: number, amount: number): number {
  return (perSecond * (to - from)) / 1000 + Math.max(perSecond, amount);
}

/** The first stretch in which this amount, on top of what was taken, would be too much. */
function tooMuch(taken: readonly Taken[], { at, amount }: Taken, perSecond: number): boolean {
  let sum = amount;
  for (const before of taken.toReversed()) {
    sum += before.amount;
    if (sum > allowance(perSecond, before.at, at, amount)) return true;
  }
  return false;
}

const steps = fc.array(
  fc.record({ pause: fc.oneof(fc.constant(0), fc.nat(3000)), share: fc.double({ min: 0.001, max: 2, noNaN: true }) }),
  {
    maxLength: 60,
  },
);

test('it lets through what the rate allows, all of it and nothing else', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000_000 }), steps, (perSecond, steps) => {
      const bucket = new Bucket();
      const taken: Taken[] = [];
      let at = 1_000_000;
      for (const { pause, share } of steps) {
        at += pause;
        const amount = Math.max(1, Math.round(share * perSecond));
        const wait = bucket.wait(amount, perSecond, at);
        // At the very edge, rounding may decide either way.
        const slack = perSecond * 1e-6;
        if (wait > 0) {
          if (!tooMuch(taken, { at, amount: amount + slack }, perSecond)) t.fail(`refused ${amount} at ${at}`);
        } else {
          if (tooMuch(taken, { at, amount }, perSecond + slack)) t.fail(`let ${amount} through at ${at}`);
          bucket.take(amount);
          taken.push({ at, amount });
        }
      }
    }),
  );
  t.pass();
});

test('after the time that it tells, it lets through; before, it does not', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), steps, (perSecond, steps) => {
      const bucket = new Bucket();
      let at = 0;
      for (const { pause, share } of steps) {
        at += pause;
        const amount = Math.max(1, Math.round(share * perSecond));
        const wait = bucket.wait(amount, perSecond, at);
        if (wait > 2) {
          at += wait - 2;
          if (bucket.wait(amount, perSecond, at) === 0) t.fail(`${amount} was told to wait too long`);
          at += 2;
        } else {
          at += wait;
        }
        if (bucket.wait(amount, perSecond, at) > 0) t.fail(`${amount} was told to wait too short`);
        bucket.take(amount);
      }
    }),
  );
  t.pass();
});

test('a second’s worth at once, then one more for each that is paid back', (t) => {
  const bucket = new Bucket();
  const take = (now: number): number => {
    const wait = bucket.wait(1, 3, now);
    if (wait === 0) bucket.take(1);
    return wait;
  };
  t.deepEqual([take(0), take(0), take(0), take(0)], [0, 0, 0, 334]);
  t.deepEqual([take(334), take(334)], [0, 333]);
  t.false(bucket.idle(3, 1000));
  t.true(bucket.idle(3, 1334));
});

test('one request larger than a second’s worth goes when nothing is owed, and is paid back', (t) => {
  const bucket = new Bucket();
  t.is(bucket.wait(5000, 1000, 0), 0);
  bucket.take(5000);
  t.is(bucket.wait(1, 1000, 0), 4002);
  t.is(bucket.wait(5000, 1000, 4999), 2);
  t.is(bucket.wait(5000, 1000, 5000), 0);
});

test('a clock that goes backwards pays nothing back, and takes nothing', (t) => {
  const bucket = new Bucket();
  bucket.wait(10, 10, 5000);
  bucket.take(10);
  t.is(bucket.wait(10, 10, 4000), 1001);
  t.is(bucket.wait(10, 10, 5000), 0);
});

test('without a rate nothing is owed, also when one comes', (t) => {
  const bucket = new Bucket();
  for (let i = 0; i < 1000; i++) {
    t.is(bucket.wait(1, Infinity, i), 0);
    bucket.take(1);
  }
  t.is(bucket.wait(1, 2, 999), 0);
  t.true(bucket.idle(Infinity, 999));
});
