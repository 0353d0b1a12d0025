import { isDeepStrictEqual } from 'node:util';
/** What each edit makes of a document, what it refuses, and that a refused one leaves no trace. */
import test from 'ava';
import { decodeChanges } from '../../../src/codec/changes.js';
import { Pace } from '../../../src/contexts/long-work.js';
import { Budget } from '../../../src/contexts/writes/budget.js';
import { evaluateInSteps } from '../../../src/contexts/writes/long-edit.js';
import { type Edit, type Evaluated, evaluate, type Mutation } from '../../../src/contexts/writes/mutations.js';
import { checkEdit } from '../../../src/contexts/writes/value-limits.js';
import { apply, weigh } from '../../../src/delta/index.js';
import { ChordError } from '../../../src/model/errors.js';
import type { Json, JsonObject } from '../../../src/model/model.js';
import { copied } from '../../support/arbitrary.js';

const before: JsonObject = { n: 1, list: [1, 2], o: { x: null } };

function run(edit: Edit, weightMax = 10_000, from = before) {
  const document = copied(from);
  const { changed, payload, weight } = carryOut(document, edit, weightMax);
  return { document, changed, weight, changes: decodeChanges(payload.changes, payload.olds) };
}

/** As the service does. */
function carryOut(document: JsonObject, edit: Edit, weightMax = 10_000, members = 1000): Evaluated {
  const budget = new Budget(weightMax, members);
  checkEdit(edit, budget.room());
  return evaluate(document, edit, weigh(document), budget) as Evaluated;
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
  ['append text', update({ kind: 'append_text', path: ['o', 's'], text: '𝄞' }), { ...before, o: { x: null, s: '𝄞' } }],
  [
    'append text twice, and splice it',
    update(
      { kind: 'append_text', path: ['s'], text: '𝄞𝄞' },
      { kind: 'append_text', path: ['s'], text: 'a' },
      { kind: 'splice_text', path: ['s'], index: 1, removeCount: 1, insert: 'b' },
    ),
    { ...before, s: '𝄞ba' },
  ],
  [
    'splice text of nothing',
    update({ kind: 'splice_text', path: ['s'], index: 0, removeCount: 0, insert: 'a' }),
    { ...before, s: 'a' },
  ],
  ['append no text to nothing', update({ kind: 'append_text', path: ['s'], text: '' }), { ...before, s: '' }],
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

/** Of so many bytes in all. */
function path(bytes: number): string[] {
  return Array.from({ length: Math.ceil(bytes / 1000) }, (_, i) => 'k'.repeat(Math.min(1000, bytes - 1000 * i)));
}

function deepKeys(bytes: number): Json {
  return path(bytes).reduceRight<Json>((below, key) => ({ [key]: below }), 0);
}

const at0 = <T>(insert: T) => ({ index: 0, removeCount: 0, insert });

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
  ['text to a list', { kind: 'append_text', path: ['list'], text: 'a' }, 'mutations[1].append_text'],
  ['text to null', { kind: 'append_text', path: ['o', 'x'], text: 'a' }, 'mutations[1].append_text'],
  [
    'splice text of a number',
    { kind: 'splice_text', path: ['n'], index: 0, removeCount: 0, insert: '' },
    'mutations[1].splice_text',
  ],
  [
    'splice text beyond the end',
    { kind: 'splice_text', path: ['s'], index: 1, removeCount: 0, insert: '' },
    'mutations[1].splice_text',
  ],
  ['half of a surrogate pair', { kind: 'append_text', path: ['s'], text: '\ud834' }, 'mutations[1].append_text'],
  ['the other half', { kind: 'splice_text', path: ['s'], ...at0('\udd1e') }, 'mutations[1].splice_text'],
  ['33 levels', { kind: 'set', path: ['d'], value: deep(32) }, 'mutations[1].set'],
  ['33 levels in a list', { kind: 'append', path: ['list'], values: [deep(31)] }, 'mutations[1].append'],
  ['a list at 33 levels', { kind: 'append', path: Array(32).fill('k'), values: [] }, 'mutations[1].append'],
  ['a key of 1025 bytes', { kind: 'set', path: ['ü'.repeat(513)], value: 1 }, 'mutations[1].path'],
  ['a path of 4097 bytes', { kind: 'set', path: path(4097), value: 1 }, 'mutations[1].path'],
  ['an increment there', { kind: 'increment', path: path(4097), by: 1 }, 'mutations[1].path'],
  ['a long key below', { kind: 'set', path: ['d'], value: { a: [{ ['k'.repeat(1025)]: 1 }] } }, 'mutations[1].set'],
  ['a long path below', { kind: 'splice', path: path(3000), ...at0([{ a: deepKeys(1096) }]) }, 'mutations[1].splice'],
  ['a number that is none', { kind: 'set', path: ['d'], value: Number.NaN }, 'value'],
  ['what is no JSON', { kind: 'set', path: ['d'], value: new Date(0) as unknown as Json }, 'value'],
];

for (const [name, mutation, field] of refused) {
  test(`refused: ${name}`, (t) => {
    const document = copied(before);
    const error = t.throws(() => carryOut(document, update(first, mutation)), {
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
  const error = t.throws(() => carryOut(document, update(first), max), { instanceOf: ChordError });
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

test('keys and paths up to their limits pass, and what an earlier version stored beyond them can go', (t) => {
  const value = { ['k'.repeat(1024)]: deepKeys(3072) };
  t.deepEqual(run({ kind: 'set', value }, 100_000).document, value);
  t.deepEqual(run(update({ kind: 'set', path: path(4096), value: [{}] }), 100_000).document.n, 1);
  const long = 'k'.repeat(2000);
  const old = { [long]: { n: 1 }, m: 1 };
  t.deepEqual(run(update({ kind: 'remove', path: [long] }), 100_000, old).document, { m: 1 });
  t.deepEqual(run({ kind: 'set', value: { m: 2 } }, 100_000, old).document, { m: 2 });
});

test('members of a request are counted wherever they are', (t) => {
  const many: Json = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`k${i}`, i]));
  const requests: Edit[] = [
    { kind: 'set', value: { a: many, b: many } },
    { kind: 'update', changes: { a: many }, mutations: [{ kind: 'set', path: ['b'], value: many }] },
    update({ kind: 'append', path: ['list'], values: [many, {}, [], [], 1, 2, 3] }),
    update({ kind: 'splice', path: ['list'], ...at0([many, many]) }),
    update(...Array.from({ length: 11 }, (): Mutation => ({ kind: 'increment', path: ['n'], by: 1 }))),
  ];
  for (const edit of requests) {
    const document = copied(before);
    const error = t.throws(() => carryOut(document, edit, 10_000, 10), { instanceOf: ChordError });
    t.is(error?.reason, 'RESOURCE_EXHAUSTED');
    t.regex(error?.message ?? '', /more than 10 members/);
    t.deepEqual(document, before);
    t.notThrows(() => carryOut(document, edit, 10_000, 15));
  }
});

test('a delta is no larger than its limit, whatever its paths', async (t) => {
  // Each change stores the whole path: 40 KB of members below 1 KB of keys.
  const long = 'k'.repeat(1024);
  const below = (value: (i: number) => Json): Json =>
    Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`${i}`, value(i)]));
  const document = { [long]: below(() => 0) };
  for (const edit of [
    { kind: 'set', value: { [long]: below((i) => i + 1) } },
    { kind: 'update', changes: { [long]: below((i) => i + 1) }, mutations: [] },
    { kind: 'set', value: { [long]: {} } },
  ] satisfies Edit[]) {
    const budget = () => new Budget(10_000_000, 100_000);
    const atOnce = async () => evaluate(document, edit, weigh(document), budget());
    const inSteps = async () => evaluateInSteps(document, edit, weigh(document), budget(), new Pace());
    // An update that replaces so much is evaluated in steps alone.
    for (const run of edit.kind === 'set' ? [atOnce, inSteps] : [inSteps]) {
      const error = await t.throwsAsync(run, { instanceOf: ChordError });
      t.is(error?.reason, 'RESOURCE_EXHAUSTED');
      t.regex(error?.message ?? '', /the limit is 16777216/);
      t.true(isDeepStrictEqual(document, { [long]: below(() => 0) }));
    }
  }
});

test('splices move so many elements in a request, and no more', (t) => {
  const list: Json[] = Array(300_000).fill(null);
  const splices = (count: number, inserted: number) =>
    update(
      ...Array.from({ length: count }, (): Mutation => {
        return { kind: 'splice', path: ['list'], ...at0(Array(inserted).fill(null)) };
      }),
    );
  const document = { list };
  for (const [count, inserted] of [
    [1000, 1],
    [8, 1000],
  ] as const) {
    const error = t.throws(() => carryOut(document, splices(count, inserted), 10_000_000), { instanceOf: ChordError });
    t.is(error?.reason, 'RESOURCE_EXHAUSTED');
    t.regex(error?.message ?? '', /200000000 list elements/);
    t.is(list.length, 300_000, 'what was done is undone');
  }
  carryOut(document, splices(300, 1), 10_000_000);
  carryOut(document, splices(3, 1000), 10_000_000);
  const appends = Array.from({ length: 1000 }, (): Mutation => ({ kind: 'append', path: ['list'], values: [1] }));
  carryOut(document, update(...appends), 10_000_000);
  t.is(document.list.length, 304_300);
});

test('what 10,000 appends of four bytes store grows with what is appended', (t) => {
  const document: JsonObject = { o: { answer: '' } };
  let weight = weigh(document);
  const budget = new Budget(3 << 20, 25_000);
  const sizes: number[] = [];
  for (let i = 0; i < 10_000; i++) {
    const edit = update({ kind: 'append_text', path: ['o', 'answer'], text: i % 2 === 0 ? 'word' : '𝄞' });
    const evaluated = evaluate(document, edit, weight, budget.renew()) as Evaluated;
    weight = evaluated.weight;
    sizes.push(evaluated.payload.changes.length + evaluated.payload.olds.length);
  }
  t.deepEqual(document, { o: { answer: 'word𝄞'.repeat(5000) } });
  t.is(weight, weigh(document));
  t.true(Math.max(...sizes) < 40, `${Math.max(...sizes)}`);
});

test('text that splices move is counted, appends are not', (t) => {
  const document: JsonObject = { s: 'x'.repeat(1_000_000) };
  const splice: Mutation = { kind: 'splice_text', path: ['s'], index: 5, removeCount: 1, insert: 'yy' };
  const error = t.throws(() => carryOut(document, update(...Array(250).fill(splice)), 3 << 20), {
    instanceOf: ChordError,
  });
  t.is(error?.reason, 'RESOURCE_EXHAUSTED');
  t.deepEqual(document, { s: 'x'.repeat(1_000_000) });
  const append: Mutation = { kind: 'append_text', path: ['s'], text: 'y' };
  carryOut(document, update(...Array(1000).fill(append)), 3 << 20);
  t.is((document.s as string).length, 1_001_000);
});
