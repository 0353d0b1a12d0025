/** What each edit makes of a document, what it refuses, and that a refused one leaves no trace. */
import test from 'ava';
import { decodeChanges } from '../../src/codec/changes.js';
import { type Edit, evaluate, type Mutation } from '../../src/contexts/evaluate.js';
import { apply, weigh } from '../../src/delta/index.js';
import { ChordError } from '../../src/errors.js';
import type { Json, JsonObject } from '../../src/model.js';
import { copied } from '../support/arbitrary.js';

const before: JsonObject = { n: 1, list: [1, 2], o: { x: null } };

function run(edit: Edit, weightMax = 10_000, from = before) {
  const document = copied(from);
  const { changed, payload, weight } = evaluate(document, edit, weigh(document), weightMax);
  return { document, changed, weight, changes: decodeChanges(payload.changes, payload.olds) };
}

function update(...mutations: Mutation[]): Edit {
  return { kind: 'update', mutations };
}

const deep = (levels: number): Json => (levels === 0 ? 1 : { k: deep(levels - 1) });

const done: [string, Edit, JsonObject][] = [
  ['set replaces', { kind: 'set', value: { a: 1 } }, { a: 1 }],
  [
    'changes merge deep',
    { kind: 'update', changes: { o: { y: 1 }, n: null }, mutations: [] },
    { ...before, n: null, o: { x: null, y: 1 } },
  ],
  ['an object replaces a list', { kind: 'update', changes: { list: {} }, mutations: [] }, { ...before, list: {} }],
  ['set makes the way', update({ kind: 'set', path: ['a', 'b'], value: [] }), { ...before, a: { b: [] } }],
  ['set of an object replaces', update({ kind: 'set', path: ['o'], value: { y: 2 } }), { ...before, o: { y: 2 } }],
  ['remove', update({ kind: 'remove', path: ['o', 'x'] }), { ...before, o: {} }],
  ['remove of nothing', update({ kind: 'remove', path: ['p', 'x'] }), before],
  ['increment', update({ kind: 'increment', path: ['n'], by: -3 }), { ...before, n: -2 }],
  ['increment of nothing', update({ kind: 'increment', path: ['m'], by: 2 }), { ...before, m: 2 }],
  ['append', update({ kind: 'append', path: ['list'], values: [3, 4] }), { ...before, list: [1, 2, 3, 4] }],
  ['append to nothing', update({ kind: 'append', path: ['l'], values: [3] }), { ...before, l: [3] }],
  [
    'splice',
    update({ kind: 'splice', path: ['list'], index: 1, removeCount: 1, insert: [7, 8] }),
    { ...before, list: [1, 7, 8] },
  ],
  [
    'splice of nothing',
    update({ kind: 'splice', path: ['l'], index: 0, removeCount: 0, insert: [7] }),
    { ...before, l: [7] },
  ],
  [
    'steps see one another',
    update({ kind: 'set', path: ['n'], value: 5 }, { kind: 'increment', path: ['n'], by: 1 }),
    { ...before, n: 6 },
  ],
  ['32 levels', update({ kind: 'set', path: ['d'], value: deep(31) }), { ...before, d: deep(31) }],
];

for (const [name, edit, after] of done) {
  test(name, (t) => {
    const { document, changes, changed, weight } = run(edit);
    t.deepEqual(document, after);
    t.deepEqual(apply(changes, before), after);
    t.is(weight, weigh(after));
    t.is(changed, changes.length > 0);
  });
}

const first: Mutation = { kind: 'append', path: ['list'], values: [9] };
const refused: [string, Mutation, string][] = [
  ['an empty path', { kind: 'remove', path: [] }, 'mutations[1].path'],
  ['a path of 33 keys', { kind: 'set', path: Array(33).fill('k'), value: 1 }, 'mutations[1].path'],
  ['a path through a number', { kind: 'set', path: ['n', 'x'], value: 1 }, 'mutations[1].path'],
  ['increment of a list', { kind: 'increment', path: ['list'], by: 1 }, 'mutations[1].increment'],
  ['increment of null', { kind: 'increment', path: ['o', 'x'], by: 1 }, 'mutations[1].increment'],
  [
    'a sum that is infinite',
    { kind: 'increment', path: ['n'], by: Number.POSITIVE_INFINITY },
    'mutations[1].increment',
  ],
  ['append to an object', { kind: 'append', path: ['o'], values: [] }, 'mutations[1].append'],
  [
    'splice beyond the end',
    { kind: 'splice', path: ['list'], index: 3, removeCount: 1, insert: [] },
    'mutations[1].splice',
  ],
  [
    'splice before the start',
    { kind: 'splice', path: ['list'], index: -1, removeCount: 0, insert: [] },
    'mutations[1].splice',
  ],
  ['33 levels', { kind: 'set', path: ['d'], value: deep(32) }, 'value'],
  ['a number that is none', { kind: 'set', path: ['d'], value: Number.NaN }, 'value'],
  ['what is no JSON', { kind: 'set', path: ['d'], value: new Date(0) as unknown as Json }, 'value'],
];

for (const [name, mutation, field] of refused) {
  test(`refused: ${name}`, (t) => {
    const document = copied(before);
    const error = t.throws(() => evaluate(document, update(first, mutation), weigh(before), 10_000), {
      instanceOf: ChordError,
    });
    t.is(error?.reason, 'INVALID_ARGUMENT');
    t.is(error?.details.violations?.[0]?.field, field);
    t.deepEqual(document, before);
  });
}

test('a document over the limit may shrink, and not grow', (t) => {
  const document = copied(before);
  const max = weigh(before) - 10;
  const error = t.throws(() => evaluate(document, update(first), weigh(before), max), { instanceOf: ChordError });
  t.is(error?.reason, 'RESOURCE_EXHAUSTED');
  t.deepEqual(document, before);
  t.deepEqual(run(update({ kind: 'set', path: ['list'], value: [1] }), max).document, { ...before, list: [1] });
});

test('the document shares nothing with the request', (t) => {
  const value = { inner: [1] };
  const { document } = run(
    update({ kind: 'set', path: ['a'], value }, { kind: 'append', path: ['a', 'inner'], values: [2] }),
  );
  t.deepEqual(document.a, { inner: [1, 2] });
  t.deepEqual(value, { inner: [1] });
});
