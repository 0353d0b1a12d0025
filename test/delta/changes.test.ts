import test from 'ava';
import {
  apply,
  applyInPlace,
  type Change,
  type Changes,
  DeltaMismatch,
  diff,
  diffAt,
  equal,
  invert,
  merge,
} from '../../src/delta/index.js';
import type { Json, JsonObject } from '../../src/model/model.js';
import { copied, frozen } from '../support/arbitrary.js';

/** From text, so that `__proto__` is a member and not a prototype. */
function json(text: string): JsonObject {
  return JSON.parse(text) as JsonObject;
}

const path = ['a'];

test('a whole subtree is one change, and an object that stays one is changed by its members', (t) => {
  t.deepEqual(diff({}, { a: { b: { c: 1 } } }), [{ action: 'added', path, value: { b: { c: 1 } } }]);
  t.deepEqual(diff({ a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }), [
    { action: 'modified', path: ['a', 'c'], value: 3, old: 2 },
  ]);
  t.deepEqual(diff({ a: { b: 1 } }, { a: {} }), [{ action: 'removed', path: ['a', 'b'], old: 1 }]);
});

test('an empty object, null and absence are three things', (t) => {
  const states: (Json | undefined)[] = [{}, null, undefined, [], '', 0, -0, false];
  for (const [i, before] of states.entries()) {
    for (const [j, after] of states.entries()) {
      const changes: Change[] = [];
      diffAt(path, before, after, changes);
      t.is(changes.length, i === j ? 0 : 1);
    }
  }
});

test('lists: one splice between what is common, the whole list where nothing is', (t) => {
  t.deepEqual(diff({ a: [1, 2, 3, 4] }, { a: [1, 9, 4] }), [
    { action: 'spliced', path, index: 1, removedCount: 2, removed: [2, 3], inserted: [9] },
  ]);
  t.deepEqual(diff({ a: [1, 1] }, { a: [1, 1, 1] }), [
    { action: 'spliced', path, index: 2, removedCount: 0, removed: [], inserted: [1] },
  ]);
  t.deepEqual(diff({ a: [1, 2] }, { a: [] }), [{ action: 'modified', path, value: [], old: [1, 2] }]);
  t.deepEqual(diff({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }), [
    { action: 'modified', path, value: [{ b: 2 }], old: [{ b: 1 }] },
  ]);
});

test('law 4: any key is data', (t) => {
  const keys = [
    '__proto__',
    'constructor',
    'hasOwnProperty',
    'toString',
    'action',
    'path',
    '',
    'a/b',
    'a.b',
    '~1',
    '0',
    'length',
  ];
  for (const key of keys) {
    const name = JSON.stringify(key);
    const documents = [
      '{}',
      `{${name}: null}`,
      `{${name}: {}}`,
      `{${name}: {${name}: 1}}`,
      `{${name}: {${name}: {"b": 2}}}`,
      `{${name}: {${name}: [1, 2]}}`,
      `{${name}: {${name}: [1, 2, {${name}: 3}]}}`,
      `{"b": 1}`,
      '{}',
    ].map(json);
    const deltas = documents.slice(1).map((after, i) => diff(documents[i]!, after));
    for (const [i, delta] of deltas.entries()) {
      t.is(JSON.stringify(apply(delta, documents[i]!)), JSON.stringify(documents[i + 1]));
      t.is(JSON.stringify(apply(invert(delta), documents[i + 1]!)), JSON.stringify(documents[i]));
      t.is(JSON.stringify(apply(merge(deltas.slice(0, i + 1)), documents[0]!)), JSON.stringify(documents[i + 1]));
      t.is(JSON.stringify(apply(merge(deltas.slice(i)), documents[i]!)), '{}');
      t.false(equal(documents[i]!, documents[i + 1]!));
    }
    const live: JsonObject = {};
    for (const delta of deltas.slice(0, -2)) applyInPlace(copied(delta as never), live);
    t.is(JSON.stringify(live), JSON.stringify(documents.at(-3)));
  }
  t.deepEqual(Object.keys(Object.prototype), []);
});

test('what is inherited is not in the document', (t) => {
  t.false(equal(json('{"__proto__": {}}'), { b: 1 }));
  for (const key of ['__proto__', 'constructor', 'toString']) {
    t.throws(() => apply([{ action: 'removed', path: [key] }], {}), { instanceOf: DeltaMismatch });
    t.throws(() => apply([{ action: 'modified', path: [key], value: 1 }], {}), { instanceOf: DeltaMismatch });
    t.throws(() => apply([{ action: 'added', path: [key, 'b'], value: 1 }], {}), { instanceOf: DeltaMismatch });
    t.false(equal({}, json(`{${JSON.stringify(key)}: 1}`)));
  }
});

const splice = { action: 'spliced', path, inserted: [] } as const;

const UNFITTING: [string, Change, JsonObject][] = [
  ['an empty path', { action: 'added', path: [], value: 1 }, {}],
  ['no parent', { action: 'added', path: ['a', 'b'], value: 1 }, {}],
  ['a list as parent', { action: 'added', path: ['a', '0'], value: 1 }, { a: [] }],
  ['null as parent', { action: 'removed', path: ['a', 'b'] }, { a: null }],
  ['added over a member', { action: 'added', path, value: 1 }, { a: null }],
  ['modified what is missing', { action: 'modified', path, value: 1 }, {}],
  ['removed what is missing', { action: 'removed', path }, {}],
  ['spliced what is missing', { ...splice, index: 0, removedCount: 0 }, {}],
  ['spliced an object', { ...splice, index: 0, removedCount: 0 }, { a: {} }],
  ['spliced beyond the end', { ...splice, index: 2, removedCount: 0 }, { a: [1] }],
  ['removed beyond the end', { ...splice, index: 1, removedCount: 1 }, { a: [1] }],
  ['a negative index', { ...splice, index: -1, removedCount: 0 }, { a: [1] }],
  ['a negative count', { ...splice, index: 1, removedCount: -1 }, { a: [1] }],
  ['no index', { ...splice, index: Number.NaN, removedCount: 0 }, { a: [1] }],
];

for (const [name, change, document] of UNFITTING) {
  test(`a change that does not fit: ${name}`, (t) => {
    const before = copied(document);
    t.throws(() => apply([change], frozen(copied(document))), { instanceOf: DeltaMismatch, name: 'DeltaMismatch' });
    t.throws(() => applyInPlace([change], document), { instanceOf: DeltaMismatch });
    t.deepEqual(document, before);
  });
}

test('apply copies along the changed paths only, and each container once', (t) => {
  const document = frozen({ a: { b: { c: 1, d: 2 }, e: { f: 1 } }, g: { h: 1 }, l: [1] });
  const value = frozen({ x: { y: 1 } });
  const after = apply(
    [
      { action: 'modified', path: ['a', 'b', 'c'], value: 2 },
      { action: 'added', path: ['n'], value },
      { action: 'modified', path: ['n', 'x', 'y'], value: 2 },
      { action: 'spliced', path: ['l'], index: 1, removedCount: 0, inserted: [2] },
      { action: 'spliced', path: ['l'], index: 0, removedCount: 1, inserted: [] },
    ],
    document,
  );
  t.deepEqual(after, { a: { b: { c: 2, d: 2 }, e: { f: 1 } }, g: { h: 1 }, l: [2], n: { x: { y: 2 } } });
  t.is(after.g, document.g);
  t.is((after.a as JsonObject).e, document.a.e);
  t.is(apply([], document), document);
});

test('a splice may insert more than fits a call’s arguments', (t) => {
  const inserted = Array.from({ length: 300_000 }, (_, i) => i);
  const after = apply([{ action: 'spliced', path, index: 1, removedCount: 1, inserted }], { a: ['x', 'y', 'z'] });
  t.deepEqual(after, { a: ['x', ...inserted, 'z'] });
});

test('invert needs old values', (t) => {
  t.throws(() => invert([{ action: 'removed', path }]), { instanceOf: DeltaMismatch });
  t.throws(() => invert([{ action: 'modified', path, value: 1 }]), { instanceOf: DeltaMismatch });
  t.throws(() => invert([{ ...splice, index: 0, removedCount: 1 }]), { instanceOf: DeltaMismatch });
});

const added = (at: string[], value: Json): Change => ({ action: 'added', path: at, value });
const removed = (at: string[], old: Json): Change => ({ action: 'removed', path: at, old });
const modified = (at: string[], old: Json, value: Json): Change => ({ action: 'modified', path: at, value, old });
const spliced = (at: string[], index: number, gone: Json[], inserted: Json[]): Change => ({
  action: 'spliced',
  path: at,
  index,
  removedCount: gone.length,
  removed: gone,
  inserted,
});

const FOLDS: [string, Changes, Changes][] = [
  ['first old, last new', [modified(path, 1, 2), modified(path, 2, 3)], [modified(path, 1, 3)]],
  ['there and back', [modified(path, 1, 2), modified(path, 2, 1)], []],
  ['added, then removed', [added(path, 1), removed(path, 1)], []],
  ['removed, then added', [removed(path, 1), added(path, 2)], [modified(path, 1, 2)]],
  [
    'removed, then added with other members',
    [removed(path, { b: 1 }), added(path, { b: 2 })],
    [modified(['a', 'b'], 1, 2)],
  ],
  ['added, then changed below', [added(path, { b: 1 }), added(['a', 'c'], 2)], [added(path, { b: 1, c: 2 })]],
  ['changed below, then removed', [modified(['a', 'b'], 1, 2), removed(path, { b: 2 })], [removed(path, { b: 1 })]],
  ['added below, then replaced', [added(['a', 'b'], 1), modified(path, { b: 1 }, 2)], [modified(path, {}, 2)]],
  [
    'spliced, then replaced',
    [spliced(path, 1, [2], [3, 4]), modified(path, [1, 3, 4], null)],
    [modified(path, [1, 2], null)],
  ],
  ['added, then spliced', [added(path, [1]), spliced(path, 1, [], [2])], [added(path, [1, 2])]],
  ['appended twice', [spliced(path, 1, [], [2]), spliced(path, 2, [], [3])], [spliced(path, 1, [], [2, 3])]],
  ['appended, then taken back', [spliced(path, 1, [], [2]), spliced(path, 1, [2], [])], []],
  [
    'spliced at two places',
    [spliced(path, 5, [], [1]), spliced(path, 0, [2, 3], [])],
    [spliced(path, 0, [2, 3], []), spliced(path, 3, [], [1])],
  ],
  [
    'spliced at two places, then over both',
    [spliced(path, 5, [], [1]), spliced(path, 0, [2], [3, 4]), spliced(path, 1, [4, 5, 6, 7, 8, 1], [])],
    [spliced(path, 0, [2, 5, 6, 7, 8], [3])],
  ],
];

for (const [name, changes, expected] of FOLDS) {
  test(`merge: ${name}`, (t) => {
    t.deepEqual(merge(frozen(changes.map((change) => [change]))), [...expected]);
  });
}

test('merge: what cannot follow upon one another is refused', (t) => {
  const unfitting: Changes[] = [
    [added(path, 1), added(path, 2)],
    [removed(path, 1), removed(path, 1)],
    [removed(path, 1), modified(path, 1, 2)],
    [modified(path, 1, 2), added(path, 3)],
    [added(['a', 'b'], 1), added(path, 2)],
    [added(['a', 'b'], 1), removed(path, 2)],
    [added(path, 1), added(['a', 'b'], 1)],
    [added(['a', 'b'], 1), spliced(path, 0, [], [1])],
    [spliced(path, 0, [], [1]), added(['a', 'b'], 1)],
    [spliced(path, 0, [], [1]), removed(path, {})],
    [spliced(path, 2, [], [1]), removed(path, [1])],
    [added(path, [1]), spliced(path, 2, [], [1])],
    [removed(path, [1]), spliced(path, 0, [], [1])],
    [added([], 1)],
    [{ action: 'removed', path }],
    [{ action: 'modified', path, value: 1 }],
    [{ action: 'spliced', path, index: 0, removedCount: 0, inserted: [1] }],
  ];
  for (const changes of unfitting)
    t.throws(() => merge([changes]), { instanceOf: DeltaMismatch }, JSON.stringify(changes));
});
