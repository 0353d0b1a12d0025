/** The estimator that says whether something grows. */
import test from 'ava';
import { Random } from '../random.js';
import { flat } from './slope.js';

function samples(valueAt: (second: number, random: Random) => number) {
  const random = new Random(1);
  return Array.from({ length: 300 }, (_, i) => ({ at: 10 * i, value: valueAt(10 * i, random) }));
}

test('noise and outliers are flat, a leak grows', (t) => {
  t.false(flat(samples((_, random) => 100 + 20 * random.next())).grows);
  t.false(flat(samples((_, random) => (random.chance(0.1) ? 1000 : 100 + random.next()))).grows);
  t.false(flat(samples((second) => 100 - second / 100)).grows);
  const leak = flat(samples((second, random) => 100 + second / 36 + 20 * random.next()));
  t.true(leak.grows);
  t.true(Math.abs(leak.perHour - 100) < 10, `${leak.perHour}`);
  t.deepEqual(flat([]), { perHour: 0, median: 0, noise: 0, grows: false });
});
