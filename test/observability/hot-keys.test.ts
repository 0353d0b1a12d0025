import test from 'ava';
import fc from 'fast-check';
import { HotKeys } from '../../src/observability/hot-keys.js';

test('while there are few keys, counts are exact', (t) => {
  const adds = fc.array(fc.record({ key: fc.stringMatching(/^[a-z]{1,2}$/), write: fc.boolean() }), { maxLength: 200 });
  fc.assert(
    fc.property(adds, (adds) => {
      const heat = new HotKeys();
      for (const { key, write } of adds) heat.add(key, write);
      for (const { key, writes, reads } of heat.take(1000)) {
        t.is(writes, adds.filter((each) => each.key === key && each.write).length);
        t.is(reads, adds.filter((each) => each.key === key && !each.write).length);
      }
    }),
  );
});

test('what is busy is found among any number of keys, and never counted too low', (t) => {
  const heat = new HotKeys();
  for (let n = 0; n < 20_000; n++) {
    heat.add(`cold ${n}`, false);
    if (n % 10 === 0) heat.add('hot', true);
    if (n % 20 === 0) heat.add('warm', true);
  }
  const [first, second] = heat.take(20);
  t.is(first!.key, 'hot');
  t.is(second!.key, 'warm');
  for (const [found, real] of [
    [first!, 2000],
    [second!, 1000],
  ] as const) {
    const counted = found.writes + found.reads;
    // Of 23,000 in 256 places the least frequent has 90 at most.
    t.true(counted >= real && counted <= real + 90, `${found.key}: ${counted}`);
  }
});

test('what was busy once gives way, and a steady rate is told as it is', (t) => {
  const heat = new HotKeys();
  for (let n = 0; n < 100; n++) heat.add('before', true);
  t.deepEqual(heat.take(20), [{ key: 'before', writes: 100, reads: 0 }]);
  for (let round = 0; round < 10; round++) {
    for (let n = 0; n < 8; n++) heat.add('now', false);
    const now = heat.take(20).find(({ key }) => key === 'now')!;
    t.true(now.reads <= 8 + 1e-9 && now.reads >= 8 * (round < 1 ? 0.6 : 0.7), `${now.reads}`);
  }
  const [only, ...rest] = heat.take(20);
  t.is(only!.key, 'now');
  t.deepEqual(rest, []);
});
