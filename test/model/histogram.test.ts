import test from 'ava';
import fc from 'fast-check';
import { Histogram } from '../../src/model/histogram.js';

const FIRST = 0.001;
const DOUBLINGS = 10;

function of(values: readonly number[]): Histogram {
  const histogram = new Histogram(FIRST, DOUBLINGS);
  for (const value of values) histogram.observe(value);
  return histogram;
}

const values = fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 1 });

test('a bucket counts exactly what is at or below its bound', (t) => {
  fc.assert(
    fc.property(values, (values) => {
      for (const [bound, count] of of([...values, FIRST, 2 * FIRST, 1.024]).buckets()) {
        const below = [...values, FIRST, 2 * FIRST, 1.024].filter((value) => value <= bound);
        t.is(count, below.length, `at ${bound}`);
      }
    }),
  );
  const bounds = [...of([]).buckets()].map(([bound]) => bound);
  t.deepEqual(bounds, [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024]);
});

test('a quantile is at most a fifth above the true one, within the bounds', (t) => {
  fc.assert(
    fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, q) => {
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.ceil(q * sorted.length - 1e-9) - 1]!;
      const told = of(values).quantile(q);
      const clamped = Math.min(Math.max(exact, FIRST), 1.024);
      t.true(told >= clamped * 0.9999 && told <= clamped * 1.19, `${told} for ${exact}`);
    }),
  );
  t.is(of([]).quantile(0.5), 0);
});

test('what came since a copy is what came since', (t) => {
  fc.assert(
    fc.property(values, values, (before, after) => {
      const histogram = of(before);
      const copy = histogram.copy();
      for (const value of after) histogram.observe(value);
      const since = histogram.since(copy);
      t.deepEqual([...since.buckets()], [...of(after).buckets()]);
      t.is(since.count, after.length);
      t.deepEqual([...copy.buckets()], [...of(before).buckets()]);
    }),
  );
});
