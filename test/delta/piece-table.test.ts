/** Many splices: they do what they say, in steps that grow with their number and not with its square. */
import test from 'ava';
import fc from 'fast-check';
import { encodeChanges } from '../../src/codec/changes.js';
import { apply, applyInPlace, type Change, invert, merge } from '../../src/delta/index.js';
import { ListRun, splicesOf } from '../../src/delta/list.js';
import { Pieces, undoHunks } from '../../src/delta/piece-table.js';
import { projectChanges, projectDocument, projectionOf } from '../../src/delta/projection.js';
import type { Json, JsonObject } from '../../src/model/model.js';
import { copied, frozen } from '../support/arbitrary.js';

const path = ['list'];

/** Splices of a list, as numbers that are taken modulo what fits; anywhere, or all about one place. */
const splices = fc.array(fc.tuple(fc.oneof(fc.nat(400), fc.nat(5)), fc.nat(6), fc.array(fc.nat(9), { maxLength: 5 })), {
  minLength: 20,
  maxLength: 120,
});

/** The changes, and the list after them, in the plainest way. */
function spliced(first: readonly Json[], some: readonly (readonly [number, number, Json[]])[], at = path) {
  let now = first;
  const changes = some.map(([place, count, inserted]): Change => {
    const index = place % (now.length + 1);
    const removed = now.slice(index, index + count);
    now = now.toSpliced(index, count, ...inserted);
    return { action: 'spliced', path: at, index, removedCount: removed.length, removed, inserted };
  });
  return { changes, now };
}

test('law 3: a hundred splices of one list, against a list that was spliced one by one', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 300 }), splices, (first, some) => {
      const { changes, now } = spliced(first, some);
      const merged = merge([frozen(changes)]);
      t.deepEqual(apply(merged, { list: first }), { list: [...now] });
      t.deepEqual(apply(invert(merged), { list: [...now] }), { list: first });
      t.deepEqual(merge([changes, invert(changes)]), []);
      t.deepEqual(merge([merged]), merged, 'each place once, in order');
      const live: JsonObject = { list: [...first] };
      applyInPlace(changes, live);
      t.deepEqual(live, { list: [...now] });
      t.deepEqual(apply(changes, frozen({ list: first })), live);
    }),
    { numRuns: 300 },
  );
});

test('law 3: many splices of several lists, also below a value that came before them', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 50 }), splices, splices, (first, some, others) => {
      const a = spliced(first, some, ['o', 'a']);
      const b = spliced(first, others, ['o', 'b']);
      const both = Array.from({ length: Math.max(some.length, others.length) }, (_, i) =>
        [a.changes[i], b.changes[i]].filter((change) => change !== undefined),
      ).flat();
      const added: Change = { action: 'added', path: ['o'], value: { a: first, b: first } };
      const expected = { o: { a: [...a.now], b: [...b.now] } };
      t.deepEqual(apply(merge(frozen([[added], both])), {}), expected);
      t.deepEqual(apply(frozen([added, ...both]), {}), expected);
      const live: JsonObject = { o: { a: [...first], b: [...first] } };
      applyInPlace(both, live);
      t.deepEqual(live, expected);
    }),
    { numRuns: 200 },
  );
});

test('hunks take a list back, whether or not its length is known', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 60 }), splices, (first, some) => {
      const { changes, now } = spliced(first, some);
      const [known, unknown] = [new Pieces<ListRun>(first.length), new Pieces<ListRun>()];
      for (const change of changes) {
        if (change.action !== 'spliced') continue;
        for (const pieces of [known, unknown]) {
          pieces.add(change.index, change.removedCount, new ListRun(change.removed!), new ListRun(change.inserted));
        }
      }
      t.is(known.length, now.length);
      t.deepEqual(ListRun.join(known.applied(new ListRun(first))), [...now]);
      t.deepEqual(ListRun.join(undoHunks(unknown.hunks(), new ListRun(now))!), first);
      t.deepEqual(splicesOf(known.hunks()), splicesOf(unknown.hunks()));
    }),
    { numRuns: 300 },
  );
});

const WAYS: { readonly [name: string]: (i: number, n: number) => [index: number, removed: number, inserted: number] } =
  {
    'far apart': (i, n) => [(i * 7919) % n, 1, 2],
    'at the front': () => [0, 1, 0],
    'one after the other, backwards': (i, n) => [n - i - 1, 2, 1],
    'in one place': (_, n) => [n / 2, 0, 1],
    'over what was inserted': (i, n) => [n / 2 - (i % 50), 2, 2],
  };

for (const [name, way] of Object.entries(WAYS)) {
  test(`twice as many splices cost little more than twice the steps: ${name}`, (t) => {
    const steps = (n: number): number => {
      const pieces = new Pieces<ListRun>();
      for (let i = 0; i < n; i++) {
        const [index, removed, inserted] = way(i, n);
        pieces.add(index, removed, new ListRun(Array(removed).fill(i)), new ListRun(Array(inserted).fill(i)));
      }
      pieces.hunks();
      return pieces.steps;
    };
    const [once, twice] = [steps(10_000), steps(20_000)];
    t.true(once < 10_000 * 100, `${once}`);
    t.true(twice < 2.6 * once, `${once}, then ${twice}`);
  });
}

test('under a very long key, changes of members do not multiply it', (t) => {
  const key = 'k'.repeat(100_000);
  const members = (value: number) => Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`m${i}`, value]));
  const [before, after] = [frozen({ [key]: members(1) }), { [key]: members(2) }];
  const deltas: Change[][] = [
    [{ action: 'removed', path: [key], old: before[key]! }],
    [{ action: 'added', path: [key], value: after[key]! }],
  ];
  const merged = merge(deltas);
  t.true(encodeChanges(merged).changes.length < 3 * key.length);
  t.deepEqual(apply(merged, before), after);
  t.deepEqual(apply(invert(merged), after), before);
  t.deepEqual(merge([...deltas, ...deltas.map(invert).reverse()]), []);

  const scope = projectionOf(Array.from({ length: 500 }, (_, i) => [key, 'below', `m${i}`]));
  const wide = (value: number): JsonObject => ({ [key]: { below: members(value), other: [] } });
  const narrowed = projectChanges([{ action: 'removed', path: [key], old: wide(1)[key]! }], scope);
  t.deepEqual(apply(narrowed, projectDocument(copied(wide(1)), scope)), {});
});
