/** How the console takes documents apart: laws of what it shows, without a browser. */
import test from 'ava';
import fc from 'fast-check';
import { compare, isEqual, LINES_MAX } from '../../src/console/json/compare.js';
import { marksOf, placeOf } from '../../src/console/json/marks.js';
import { type Container, countOf, divide, isRange, ROWS_MAX } from '../../src/console/json/parts.js';
import { asJson } from '../../src/console/json/visible.js';
import type { JsonObject } from '../../src/model/model.js';
import { jsonObject } from '../support/arbitrary.js';

/** All that is shown below, and the most rows of one step. */
function open(container: Container, range: { from: number; to: number }): { keys: string[]; most: number } {
  const parts = divide(container, range);
  const found = { keys: [] as string[], most: parts.length };
  for (const part of parts) {
    if (!isRange(part)) found.keys.push(part.key);
    else {
      const inner = open(container, part);
      found.keys.push(...inner.keys);
      found.most = Math.max(found.most, inner.most);
    }
  }
  return found;
}

test('each member is in exactly one range, and no step shows more than a hundred rows', (t) => {
  for (const count of [0, 1, 99, 100, 101, 9999, 10_000, 10_001, 1_000_000]) {
    const list = new Array<number>(count).fill(0);
    const { keys, most } = open(list, { from: 0, to: count });
    t.is(keys.length, count);
    t.true(most <= ROWS_MAX, `${most} rows of ${count}`);
    t.true(keys.every((key, i) => key === String(i)));
  }
  const object = Object.fromEntries(Array.from({ length: 1234 }, (_, i) => [`k${i}`, i]));
  t.deepEqual(open(object, { from: 0, to: countOf(object) }).keys, Object.keys(object));
});

test('two documents have no lines exactly when they are equal', (t) => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (a, b) => {
      const copy = structuredClone(a);
      t.is(compare(a, copy).lines.length, 0);
      const { lines, changes, cut } = compare(a, b);
      t.is(lines.length > 0, !isEqual(a, b));
      t.is(changes > 0, lines.length > 0);
      t.true(lines.length <= LINES_MAX);
      t.false(cut && lines.length < LINES_MAX);
    }),
  );
});

test('swapped sides give the same lines, swapped', (t) => {
  const swapped = { added: 'removed', removed: 'added', changed: 'changed', same: 'same', frame: 'frame' } as const;
  const before: JsonObject = { topic: 'daily', seats: 2, log: ['a', 'b', 'c'], gone: { x: 1 } };
  const after: JsonObject = { topic: 'weekly', seats: 2, log: ['a', 'x', 'b', 'c'], more: [] };
  const forth = compare(before, after).lines;
  const back = compare(after, before).lines.map((line) => ({
    ...line,
    kind: swapped[line.kind],
    left: line.right,
    right: line.left,
  }));
  const sorted = (lines: typeof forth) => lines.map((line) => JSON.stringify(line)).sort();
  t.deepEqual(sorted(back as typeof forth), sorted(forth));
  t.deepEqual(
    forth.filter(({ kind }) => kind !== 'frame').map(({ kind, left, right }) => [kind, left, right]),
    [
      ['changed', '"topic": "daily"', '"topic": "weekly"'],
      ['same', '… 1 equal member', '… 1 equal member'],
      ['same', '… 1 equal element', '… 1 equal element'],
      ['added', undefined, '"x"'],
      ['same', '… 2 equal elements', '… 2 equal elements'],
      ['removed', '"gone": {', undefined],
      ['removed', '"x": 1', undefined],
      ['removed', '}', undefined],
      ['added', undefined, '"more": []'],
    ],
  );
});

test('documents that differ everywhere give a bounded number of lines', (t) => {
  const make = (value: number) => Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, value]));
  const { lines, cut } = compare(make(1), make(2));
  t.is(lines.length, LINES_MAX);
  t.true(cut);
});

test('the difference of two long texts is seen', (t) => {
  const text = 'x'.repeat(5000);
  const [, line] = compare({ text: `${text}a` }, { text: `${text}b` }).lines;
  t.true(line!.left!.endsWith('a"'));
  t.true(line!.right!.endsWith('b"'));
  t.true(line!.left!.length < 500);
});

test('a change is marked, and what is above it', (t) => {
  const marks = marksOf([
    { action: 'modified', path: ['members', 'ann'], value: 1 },
    { action: 'spliced', path: ['log'], index: 3, removedCount: 0, inserted: ['a', 'b'] },
    { action: 'removed', path: ['old'] },
  ]);
  t.deepEqual(
    [...marks].sort(),
    [
      [placeOf([]), 'changed'],
      [placeOf(['members']), 'inside'],
      [placeOf(['members', 'ann']), 'changed'],
      [placeOf(['log']), 'inside'],
      [placeOf(['log', '3']), 'changed'],
      [placeOf(['log', '4']), 'changed'],
    ].sort(),
  );
});

test('what would move or hide text is shown as an escape, and reads as the same value', (t) => {
  const value = { 'pay\u202Eme': 'a\u2066b\u200Bc\u007Fd', '👩\u200D🚀': 'שלום\nend' };
  t.notRegex(asJson(value, 2), /[\u202E\u2066\u200B\u007F]/);
  t.deepEqual(JSON.parse(asJson(value, 2)), value);
  t.true(asJson(value).includes('👩\u200D🚀'), 'an emoji is whole');
  t.deepEqual(
    compare({}, { 'pay\u202Eme': 'a\u2066b' }).lines.map(({ right }) => right),
    ['{', '"pay\\u202eme": "a\\u2066b"', '}'],
  );
});
