import { isDeepStrictEqual } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import {
  apply,
  applyInPlace,
  type Change,
  type Changes,
  diff,
  equal,
  invert,
  merge,
  weigh,
  weightChange,
} from '../../src/delta/index.js';
import { getMember, isObject, type Json, type JsonObject } from '../../src/model/model.js';
import {
  appliedPlainly,
  copied,
  editLists,
  frozen,
  jsonObject,
  jsonValue,
  mutated,
  revisions,
  written,
} from '../support/arbitrary.js';

const RUNS = { numRuns: 2000 };

const two = fc.oneof(
  jsonObject.chain((a) => fc.tuple(fc.constant(a), mutated(a))),
  fc.tuple(jsonObject, jsonObject),
);

/** Whether the document is this one, member for member: `equal` is under test itself. */
function same(t: ExecutionContext, actual: Json, expected: Json): void {
  const [a, b] = [sorted(actual), sorted(expected)];
  if (isDeepStrictEqual(a, b)) t.pass();
  else t.deepEqual(a, b);
}

/** As nested entries, so that -0, `__proto__` and the kinds of containers stay apart and key order does not. */
function sorted(value: Json): unknown {
  if (Array.isArray(value)) return ['list', value.map(sorted)];
  if (!isObject(value)) return value;
  const keys = Object.keys(value).sort();
  return ['object', keys.map((key) => [key, sorted(getMember(value, key)!)])];
}

function steps(documents: readonly JsonObject[]): Changes[] {
  return documents.slice(1).map((document, i) => frozen(diff(documents[i]!, document)));
}

/** No change says more than it must: no object stays one in a MODIFIED, no value gives way to itself. */
function tidy(t: ExecutionContext, changes: Changes): void {
  for (const change of changes) {
    t.true(change.path.length > 0);
    if (change.action === 'modified') {
      t.false(isObject(change.value) && isObject(change.old));
      t.false(equal(change.value, change.old!));
    }
    if (change.action === 'text_spliced') {
      t.is([...change.removed!].length, change.removedCount);
      t.true(change.removed !== change.inserted && change.removed!.isWellFormed() && change.inserted.isWellFormed());
    }
    if (change.action === 'spliced') {
      t.is(change.removed!.length, change.removedCount);
      t.true(change.removedCount > 0 || change.inserted.length > 0);
    }
  }
}

test('law 1: apply(diff(a, b), a) = b, and the delta is empty exactly when a = b', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      frozen([a, b]);
      const delta = frozen(diff(a, b));
      same(t, apply(delta, a), b);
      t.is(delta.length === 0, isDeepStrictEqual(sorted(a), sorted(b)));
      t.deepEqual(diff(b, copied(b)), []);
      tidy(t, delta);
    }),
    RUNS,
  );
});

test('law 2: apply(invert(d), apply(d, a)) = a', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      const delta = frozen(diff(frozen(a), frozen(b)));
      same(t, apply(invert(delta), b), a);
      t.deepEqual(invert(invert(delta)), [...delta]);
    }),
    RUNS,
  );
});

test('law 3: a merged delta does what its parts do one after the other, and inverts', (t) => {
  fc.assert(
    fc.property(revisions({ min: 2, max: 8 }), (documents) => {
      const first = frozen(documents)[0]!;
      const last = documents.at(-1)!;
      const merged = frozen(merge(steps(documents)));
      same(t, apply(merged, first), last);
      same(t, apply(invert(merged), last), first);
      tidy(t, merged);
    }),
    RUNS,
  );
});

test('law 3: deltas that writers made merge as well as computed ones', (t) => {
  fc.assert(
    fc.property(jsonObject, editLists, (document, some) => {
      const deltas = frozen(written(document, some));
      const last = deltas.flat().reduce(appliedPlainly, document);
      same(t, apply(deltas.flat(), frozen(document)), last);
      for (const delta of [
        merge(deltas),
        merge([deltas.flat()]),
        merge([merge(deltas.slice(0, 2)), ...deltas.slice(2)]),
      ]) {
        same(t, apply(delta, document), last);
        same(t, apply(invert(delta), last), document);
        tidy(t, delta);
      }
    }),
    RUNS,
  );
});

const list = fc.array(fc.constantFrom<Json>(0, 1, 2, 'a'), { maxLength: 12 });
const splices = fc.array(fc.tuple(fc.nat(20), fc.nat(4), fc.array(jsonValue, { maxLength: 3 })), { maxLength: 12 });

test('law 3: many splices of one list merge, with a change of the whole list after them too', (t) => {
  fc.assert(
    fc.property(list, splices, fc.option(list, { nil: undefined }), (first, some, replacement) => {
      let now = first;
      const path = ['list'];
      const deltas: Change[][] = some.map(([at, count, inserted]) => {
        const index = at % (now.length + 1);
        const removed = now.slice(index, index + count);
        now = now.toSpliced(index, count, ...inserted);
        return [{ action: 'spliced', path, index, removedCount: removed.length, removed, inserted }];
      });
      if (replacement !== undefined) {
        deltas.push([{ action: 'modified', path, value: replacement, old: now }]);
        now = replacement;
      }
      const merged = merge(frozen(deltas));
      same(t, apply(merged, { list: first }), { list: now });
      same(t, apply(invert(merged), { list: now }), { list: first });
      t.deepEqual(merge([...deltas, ...deltas.map(invert).reverse()]), []);
      t.true(merged.length <= some.length + 1);
    }),
    RUNS,
  );
});

test('law 3: how deltas are grouped does not matter for what merging them does', (t) => {
  fc.assert(
    fc.property(revisions({ min: 4, max: 7 }), fc.nat(), (documents, seed) => {
      const deltas = steps(frozen(documents));
      const cut = 1 + (seed % (deltas.length - 1));
      const left = frozen(merge(deltas.slice(0, cut)));
      const right = frozen(merge(deltas.slice(cut)));
      const last = documents.at(-1)!;
      for (const merged of [
        merge([left, right]),
        merge([left, ...deltas.slice(cut)]),
        merge([...deltas.slice(0, cut), right]),
      ]) {
        same(t, apply(merged, documents[0]!), last);
        same(t, apply(invert(merged), last), documents[0]!);
      }
    }),
    RUNS,
  );
});

test('law 3: a way and its way back merge to nothing', (t) => {
  fc.assert(
    fc.property(revisions({ min: 2, max: 6 }), (documents) => {
      const deltas = steps(frozen(documents));
      const back = deltas.map(invert).reverse();
      t.deepEqual(merge([...deltas, ...back]), []);
      t.deepEqual(merge([merge(deltas), merge(back)]), []);
    }),
    RUNS,
  );
});

test('law 3: from a to b to a, by two diffs, is no change', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      t.deepEqual(merge([diff(a, b), diff(b, copied(a))]), []);
    }),
    RUNS,
  );
});

test('a delta merged with nothing, or its own changes one by one, stays what it is', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      const delta = frozen(diff(a, b));
      t.deepEqual(merge([[], delta, []]), [...delta]);
      t.deepEqual(merge(delta.map((change) => [change])), [...delta]);
    }),
    RUNS,
  );
});

test('applyInPlace does what apply does', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      const delta = diff(a, b);
      const document = copied(a);
      applyInPlace(copied(delta as unknown as Json) as unknown as Changes, document);
      same(t, document, apply(delta, a));
    }),
    RUNS,
  );
});

test('the weight of a document is kept by weightChange', (t) => {
  fc.assert(
    fc.property(two, revisions({ min: 2, max: 5 }), ([a, b], documents) => {
      const delta = diff(a, b);
      t.is(weigh(b), weigh(a) + weightChange(delta));
      t.is(weightChange(invert(delta)), 0 - weightChange(delta));
      t.is(weigh(documents.at(-1)!), weigh(documents[0]!) + weightChange(merge(steps(documents))));
    }),
    RUNS,
  );
});

test('equal is symmetric and knows a copy', (t) => {
  fc.assert(
    fc.property(two, ([a, b]) => {
      t.is(equal(a, b), equal(b, a));
      t.true(equal(a, copied(a)));
    }),
    RUNS,
  );
});
