/** Strings under splices: against arrays of code points, in work that grows with the splices and not with the string. */
import test from 'ava';
import fc from 'fast-check';
import { encodeChanges } from '../../src/codec/changes.js';
import { apply, applyInPlace, type Change, diff, invert, merge, weigh, weightChange } from '../../src/delta/index.js';
import { Pieces } from '../../src/delta/piece-table.js';
import { TextRun } from '../../src/delta/text.js';
import type { JsonObject } from '../../src/model/model.js';
import { frozen, longText } from '../support/arbitrary.js';

const path = ['t'];
const text = fc.oneof(longText, fc.string({ unit: 'binary', maxLength: 40 }));
const splices = fc.array(fc.tuple(fc.oneof(fc.nat(400), fc.nat(5)), fc.nat(6), text), { minLength: 1, maxLength: 40 });

/** The changes, and the string after them, by arrays of code points. An index beyond the end stands for the end. */
function spliced(first: string, some: readonly (readonly [number, number, string])[]) {
  let now = first;
  const changes = some.map(([place, count, inserted]): Change => {
    const points = [...now];
    const index = Math.min(place, points.length);
    const removed = points.slice(index, index + count);
    const oldBytes = Buffer.byteLength(now);
    now = points.toSpliced(index, count, inserted).join('');
    const part = { index, removedCount: removed.length, removed: removed.join(''), inserted, oldBytes };
    return { action: 'text_spliced', path, ...part };
  });
  return { changes, now };
}

test('laws 2 and 3: many splices of one string', (t) => {
  fc.assert(
    fc.property(text, splices, fc.option(text, { nil: undefined }), (first, some, replacement) => {
      const { changes, now } = spliced(first, some);
      if (replacement !== undefined) {
        if (replacement !== now) changes.push({ action: 'modified', path, value: replacement, old: now });
      }
      const last = { t: replacement ?? now };
      const merged = merge([frozen(changes)]);
      for (const each of [changes, merged, merge([merged]), merge([changes.slice(0, 3), changes.slice(3)])]) {
        t.deepEqual(apply(each, { t: first }), last);
        t.deepEqual(apply(invert(each), last), { t: first });
        t.is(weigh(last), weigh({ t: first }) + weightChange(each));
      }
      t.deepEqual(merge([changes, invert(changes)]), []);
      t.deepEqual(merge([[{ action: 'added', path, value: first }], changes]), diff({}, last));
      const live: JsonObject = { t: first };
      for (const change of changes) applyInPlace([change], live);
      t.deepEqual(live, last);
    }),
    { numRuns: 500 },
  );
});

test('law 1: diff splits no code point, and makes a splice only where it is smaller', (t) => {
  let found = 0;
  fc.assert(
    fc.property(text, splices, (first, some) => {
      const { now } = spliced(first, some.slice(0, 2));
      const changes = diff({ t: first }, { t: now });
      const whole: Change = { action: 'modified', path, value: now, old: first };
      for (const change of changes) {
        if (change.action !== 'text_spliced') continue;
        found++;
        t.true(change.inserted.isWellFormed() && change.removed?.isWellFormed());
        t.true(encodeChanges(changes).changes.length < encodeChanges([whole]).changes.length);
      }
      t.deepEqual(apply(changes, { t: first }), { t: now });
    }),
    { numRuns: 1000 },
  );
  t.true(found > 100, `${found}`);
});

const clef = (rest: string) => `${'𝄞'.repeat(10)}${rest}`;

test('what diff finds', (t) => {
  const change = (before: string, after: string) => diff({ t: before }, { t: after })[0];
  t.like(change(clef('a'), clef('ab')), { action: 'text_spliced', index: 11, removedCount: 0, inserted: 'b' });
  t.like(change(clef('𝄞'), clef('𝄟')), { index: 10, removedCount: 1, removed: '𝄞', inserted: '𝄟' });
  t.like(change(`𐀀${clef('')}`, `𝀀${clef('')}`), { index: 0, removed: '𐀀', inserted: '𝀀' }, 'one common low surrogate');
  t.like(change('a'.repeat(20), 'a'.repeat(21)), { index: 20, removedCount: 0, inserted: 'a' });
  t.like(change('short', 'shorter'), { action: 'modified' });
  t.like(change('x'.repeat(100), 'y'.repeat(100)), { action: 'modified' });
});

/**
 * UTF-16 units that are looked at while `work` runs: by reading characters, counting bytes and, of a rope, by cutting out a
 * part. Of a flat string a part is cut out without a copy.
 */
function unitsRead(work: () => void, flat = false): number {
  let units = 0;
  const { charCodeAt, slice } = String.prototype;
  const { byteLength } = Buffer;
  String.prototype.charCodeAt = function (at) {
    units++;
    return charCodeAt.call(this, at);
  };
  String.prototype.slice = function (...range) {
    const part = slice.apply(this, range);
    units += flat ? 1 : this.length;
    return part;
  };
  Buffer.byteLength = ((value: string) => {
    units += value.length;
    return byteLength(value);
  }) as typeof byteLength;
  try {
    work();
  } finally {
    Object.assign(String.prototype, { charCodeAt, slice });
    Buffer.byteLength = byteLength;
  }
  return units;
}

test.serial('an append in place reads what is appended, whatever the length of the string', (t) => {
  for (const first of ['', clef('').repeat(10), clef('and so on ').repeat(1000)]) {
    const document: JsonObject = { o: { t: first } };
    let points = [...first].length;
    let bytes = Buffer.byteLength(first);
    const append = (): void => {
      const change = { action: 'text_spliced', path: ['o', 't'], index: points, removedCount: 0, removed: '' } as const;
      applyInPlace([{ ...change, inserted: 'ab𝄞', oldBytes: bytes }], document);
      points += 3;
      bytes += 6;
    };
    append();
    // A string is measured each time until it has 256 units.
    const units = unitsRead(() => {
      for (let i = 0; i < 10_000; i++) append();
    });
    t.true(units < 10_000 * 20 + 64 * 1024, `${units}`);
    t.deepEqual(document, { o: { t: first + 'ab𝄞'.repeat(10_001) } });
  }
});

test.serial('merging 10,000 appends is one insert, at the cost of the appends', (t) => {
  const first = clef('and so on ').repeat(1000);
  const points = [...first].length;
  const changes = Array.from({ length: 10_000 }, (_, i): Change => {
    const index = points + 3 * i;
    return { action: 'text_spliced', path, index, removedCount: 0, removed: '', inserted: 'ab𝄞', oldBytes: 0 };
  });
  let merged: Change[] = [];
  const units = unitsRead(() => {
    merged = merge([changes]);
  });
  t.true(units < 10_000 * 20, `${units}`);
  const inserted = 'ab𝄞'.repeat(10_000);
  const one = { action: 'text_spliced', path, index: points, removedCount: 0, removed: '', inserted, oldBytes: 0 };
  t.deepEqual(merged, [one as Change]);

  const added: Change = { action: 'added', path, value: first };
  const whole = unitsRead(() => {
    merged = merge([[added], changes]);
  });
  t.true(whole < 10_000 * 20 + 4 * first.length, `${whole}`);
  t.deepEqual(merged, [{ ...added, value: first + inserted }]);
});

test.serial('a run that is split n times costs O(n log n), from whichever end', (t) => {
  const ways: ((i: number, n: number) => number)[] = [
    (i) => 2 * i,
    (i, n) => 4 * n - 2 * i - 1,
    (i, n) => (i * 7919) % (4 * n),
  ];
  for (const way of ways) {
    const cost = (n: number): number => {
      const pieces = new Pieces<TextRun>(1);
      pieces.add(0, 1, undefined, new TextRun('𝄞x'.repeat(2 * n)));
      const add = () => {
        for (let i = 0; i < n; i++) pieces.add(way(i, n), 1, undefined, new TextRun('y'));
      };
      return unitsRead(add, true);
    };
    for (const n of [4000, 16_000]) {
      const units = cost(n);
      t.true(units < 60 * n, `${units} for ${n}`);
    }
  }
});
