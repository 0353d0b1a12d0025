/** What applies to what is in test/vectors/apply.json; here, what it leaves alone. */
import test from 'ava';
import { apply, DeltaMismatch } from '../src/index.js';

test('the old document stays as it is, and shares what did not change', (t) => {
  const document = { a: { b: { n: 1 }, other: {} }, list: [1, 2], untouched: {} };
  const before = structuredClone(document);
  const value = { v: {} };
  const after = apply(
    [
      { action: 'modified', path: ['a', 'b', 'n'], value: 2 },
      { action: 'spliced', path: ['list'], index: 0, removedCount: 1, inserted: [0] },
      { action: 'added', path: ['new'], value },
      { action: 'added', path: ['new', 'w'], value: 1 },
      { action: 'removed', path: ['a', 'other'] },
    ],
    document,
  );
  t.deepEqual(after, { a: { b: { n: 2 } }, list: [0, 2], untouched: {}, new: { v: {}, w: 1 } });
  t.deepEqual(document, before);
  t.deepEqual(value, { v: {} }, 'a value of the delta, too');
  t.is(after.untouched, document.untouched);
});

test('a delta that fails half way leaves nothing behind', (t) => {
  const document = { a: 1 };
  t.throws(
    () =>
      apply(
        [
          { action: 'modified', path: ['a'], value: 2 },
          { action: 'removed', path: ['b'] },
        ],
        document,
      ),
    {
      instanceOf: DeltaMismatch,
    },
  );
  t.deepEqual(document, { a: 1 });
});
