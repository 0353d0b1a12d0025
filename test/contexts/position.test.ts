import test from 'ava';
import fc from 'fast-check';
import { advance, newLife } from '../../src/contexts/position.js';

const bytes = fc.uint8Array({ maxLength: 40 });

test('a digest tells apart whatever differs: what came before, any byte, and the part that it is in', (t) => {
  const from = { epoch: 'e', version: 3, digest: 'ABCDEFGH' };
  const digest = (changes: Uint8Array, olds: Uint8Array, before = from.digest) =>
    advance({ ...from, digest: before }, { changes, olds }).digest;
  fc.assert(
    fc.property(bytes, bytes, fc.nat(), fc.integer({ min: 1, max: 255 }), (changes, olds, where, flip) => {
      const first = digest(changes, olds);
      t.regex(first, /^[A-Za-z0-9]{8}$/);
      t.is(digest(changes, olds), first);
      t.not(digest(changes, olds, 'ABCDEFGI'), first);
      if (changes.length === 0) return;
      const at = where % changes.length;
      t.not(
        digest(
          changes.map((byte, i) => (i === at ? byte ^ flip : byte)),
          olds,
        ),
        first,
      );
      t.not(digest(changes.subarray(1), olds), first);
      t.not(digest(changes.subarray(0, -1), Uint8Array.of(changes.at(-1)!, ...olds)), first);
    }),
    { numRuns: 300 },
  );
});

test('digests are spread: a hundred thousand deltas in a row have as many digests', (t) => {
  const seen = new Set<string>();
  let position = newLife();
  t.regex(position.epoch, /^[A-Za-z0-9]{8}$/);
  for (let n = 0; n < 100_000; n++) {
    position = advance(position, { changes: Uint8Array.of(n & 1), olds: new Uint8Array() });
    seen.add(position.digest);
  }
  t.is(position.version, 100_000);
  t.is(seen.size, 100_000);
});
