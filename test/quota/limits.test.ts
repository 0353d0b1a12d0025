/** Limits as they are written in settings and rules. */
import test from 'ava';
import { formatLimits, LIMIT_NAMES, limitsSchema, parseLimits, splitLimits } from '../../src/quota/limits.js';

test('numbers, sizes, off, and nothing', (t) => {
  const json = { streams: 10, calls: '7', bytesPerSecond: '64KiB', contexts: 'off' };
  t.deepEqual(parseLimits(json, 'limits'), { streams: 10, calls: 7, bytesPerSecond: 65_536, contexts: Infinity });
  t.deepEqual(parseLimits({}, 'limits'), {});
});

test('what is wrong is said, and where', (t) => {
  const cases: [unknown, RegExp][] = [
    [{ stream: 1 }, /^rules\.ann: there is no limit stream, only streams, /],
    [{ streams: 0 }, /^rules\.ann\.streams: expected a whole number/],
    [{ streams: 1.5 }, /^rules\.ann\.streams: expected a whole number/],
    [{ streams: null }, /^rules\.ann\.streams: expected a whole number/],
    [{ writesPerSecond: -1 }, /^rules\.ann\.writesPerSecond: /],
    [{ writesPerSecond: '' }, /^rules\.ann\.writesPerSecond: /],
    [{ bytesPerSecond: '1 MiB/s' }, /^rules\.ann\.bytesPerSecond: expected a size/],
    [[], /^rules\.ann: expected an object/],
    [null, /^rules\.ann: expected an object/],
    ['streams=1', /^rules\.ann: expected an object/],
  ];
  for (const [json, message] of cases) t.throws(() => parseLimits(json, 'rules.ann'), { message });
});

test('as text, there and back', (t) => {
  const limits = {
    streams: 1,
    subscriptions: 2,
    contexts: Infinity,
    calls: 4,
    writesPerSecond: 5,
    bytesPerSecond: 6e6,
  };
  t.deepEqual(Object.keys(limits), LIMIT_NAMES);
  const text = formatLimits(limits);
  t.is(text, 'streams=1,subscriptions=2,contexts=off,calls=4,writesPerSecond=5,bytesPerSecond=6MB');
  t.deepEqual(parseLimits(splitLimits(text), ''), limits);
  t.is(formatLimits({}), 'none');
  t.deepEqual(splitLimits('none'), {});
  for (const bad of ['', 'streams', 'streams=', '=1', 'streams=1,', 'streams=1=2']) {
    t.false(limitsSchema.safeParse(splitLimits(bad)).success, bad);
  }
});
