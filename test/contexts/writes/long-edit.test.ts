/** Edits in steps come to what edits at once come to. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { decodeChanges, encodeChanges } from '../../../src/codec/changes.js';
import { decodeChangesInSteps, encodeChangesInSteps } from '../../../src/codec/changes-steps.js';
import { heapOf, heapOfInSteps } from '../../../src/contexts/lane/heap-size.js';
import { Pace } from '../../../src/contexts/long-work.js';
import { Budget } from '../../../src/contexts/writes/budget.js';
import { evaluateInSteps, isLong } from '../../../src/contexts/writes/long-edit.js';
import { type Edit, type Evaluated, evaluate, type Mutation } from '../../../src/contexts/writes/mutations.js';
import { diffInSteps } from '../../../src/delta/diff.js';
import { diff, merge, weigh } from '../../../src/delta/index.js';
import { Merge } from '../../../src/delta/merge.js';
import type { Change } from '../../../src/delta/types.js';
import type { Json, JsonObject } from '../../../src/model/model.js';
import { copied, editLists, frozen, jsonObject, jsonValue, mutated, written } from '../../support/arbitrary.js';
import { stepsOf } from '../../support/turns.js';

const budget = () => new Budget(3 << 20, 25_000);
const numbers = (count: number): Json[] => Array.from({ length: count }, (_, i) => i);
const members = (count: number, value: Json): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key-${i}`, value]));

const path = fc.constantFrom(['a'], ['b'], ['a', 'b'], ['list'], ['o', 'x']);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), path, value: jsonValue }),
  fc.record({ kind: fc.constant('remove' as const), path }),
  fc.record({ kind: fc.constant('append' as const), path, values: fc.array(jsonValue, { maxLength: 3 }) }),
);
const edits: fc.Arbitrary<readonly [JsonObject, Edit]> = jsonObject.chain((document) =>
  fc.tuple(
    fc.constant(document),
    fc.oneof(
      mutated(document).map((value): Edit => ({ kind: 'set', value })),
      fc
        .tuple(fc.option(jsonObject, { nil: undefined }), fc.array(mutation, { maxLength: 6 }))
        .map(([changes, mutations]): Edit => ({ kind: 'update', changes, mutations })),
    ),
  ),
);

/** What became of the document, with the result or the refusal. */
async function outcome(document: JsonObject, run: (own: JsonObject) => unknown): Promise<unknown> {
  const own = copied(document);
  try {
    return { result: await run(own), own };
  } catch (error) {
    return { refused: (error as Error).message, own };
  }
}

test('an edit comes to the same in steps: document, bytes, weight, memory, refusals', async (t) => {
  await fc.assert(
    fc.asyncProperty(edits, async ([document, edit]) => {
      const at = weigh(document);
      const atOnce = await outcome(document, (own) => evaluate(own, edit, at, budget()));
      assert.equal(stepsOf(heapOfInSteps(document)).result, heapOf(document));
      assert.deepEqual(await outcome(document, (own) => evaluateInSteps(own, edit, at, budget(), new Pace())), atOnce);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('the same for what is large in it', async (t) => {
  const many = members(500, { list: numbers(3), text: 'text' });
  const documents: JsonObject[] = [{}, many, { many, list: numbers(5000) }, { ...members(500, 1), deep: { many } }];
  for (const document of documents) {
    for (const value of documents) {
      const edit: Edit = { kind: 'set', value };
      const atOnce = await outcome(document, (own) => evaluate(own, edit, weigh(document), budget()));
      const inSteps = await outcome(document, (own) =>
        evaluateInSteps(own, edit, weigh(document), budget(), new Pace()),
      );
      t.true(isDeepStrictEqual(inSteps, atOnce));
    }
  }
});

test('deltas are found, merged, encoded and decoded alike in steps', (t) => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (a, b) => assert.deepEqual(stepsOf(diffInSteps(a, b)).result, diff(a, b))),
  );
  fc.assert(
    fc.property(jsonObject, editLists, (document, some) => {
      const deltas = frozen(written(document, some));
      const merging = new Merge();
      for (const change of deltas.flat()) merging.add(change);
      assert.deepEqual(stepsOf(merging.resultInSteps()).result, merge(deltas));
      same(merge(deltas));
    }),
  );
  const list = numbers(20_000);
  same([
    { action: 'modified', path: ['a', 'b'], value: members(3000, [1]), old: members(3000, {}) },
    { action: 'spliced', path: ['list'], index: 3, removedCount: 20_000, removed: list, inserted: [list, 1, {}] },
    { action: 'removed', path: ['list'], old: list },
  ]);

  t.pass();

  function same(changes: Change[]): void {
    const payload = encodeChanges(changes);
    const back: Change[] = [];
    assert.deepEqual(stepsOf(encodeChangesInSteps(changes)).result, payload);
    stepsOf(decodeChangesInSteps(payload, (change) => back.push(change)));
    assert.deepEqual(back, decodeChanges(payload.changes, payload.olds));
    if (changes.length > 0) t.is(stepsOf(encodeChangesInSteps(changes, 1)).result, undefined);
  }
});

test('a small edit that replaces much is left to be made in steps, and has changed nothing', (t) => {
  const document = { large: members(10_000, {}), text: 'x'.repeat(300_000), n: 1 };
  const before = copied(document);
  const update = (...mutations: Mutation[]): Edit => ({ kind: 'update', mutations });
  const run = (edit: Edit): Evaluated | undefined => evaluate(document, edit, weigh(before), budget());
  t.is(run(update({ kind: 'set', path: ['n'], value: 2 }, { kind: 'remove', path: ['large'] })), undefined);
  t.is(run({ kind: 'update', changes: { n: 2, large: 1 }, mutations: [] }), undefined);
  t.deepEqual(document, before);
  t.true(run(update({ kind: 'remove', path: ['text'] }))?.changed);
});

test('long are edits of many parts, sets of large documents, and many mutations of them', (t) => {
  const update = (count: number): Edit => ({
    kind: 'update',
    mutations: Array.from({ length: count }, () => ({ kind: 'remove', path: ['a'] })),
  });
  const set: Edit = { kind: 'set', value: {} };
  t.deepEqual(
    [isLong(set, 1000, 10), isLong(update(1000), 1000, 10), isLong(update(10), 1 << 20, 10)],
    [false, false, false],
  );
  t.deepEqual([isLong(set, 1 << 20, 10), isLong(update(100), 1 << 20, 10), isLong(set, 10, 5000)], [true, true, true]);
});
