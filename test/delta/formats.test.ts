/** JSON Patch and merge patch do, in the hands of other people's code, what the changes do; the flat list says what they say. */
import test from 'ava';
import fc from 'fast-check';
import jsonPatchLibrary from 'fast-json-patch';
import mergePatchLibrary from 'json-merge-patch';
import { flat } from '../../src/delta/formats/flat.js';
import { Inexpressible } from '../../src/delta/formats/format.js';
import { jsonPatch } from '../../src/delta/formats/json-patch.js';
import { mergePatch } from '../../src/delta/formats/merge-patch.js';
import { apply, type Change, diff, equal, merge } from '../../src/delta/index.js';
import { hasSplices, unsplice } from '../../src/delta/whole-values.js';
import { isObject, type Json, type JsonObject } from '../../src/model/model.js';
import { copied, frozen, jsonObject, mutated, revisions } from '../support/arbitrary.js';
import { readHistories } from '../support/histories.js';

const PATHS = { contextId: 'a', oldValues: false };

/** What JSON can say: it has one zero. The libraries refuse, or lose, keys that JavaScript has a meaning for. */
function asJson(document: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(document).replaceAll(/"(__proto__|constructor)":/g, '"its $1":')) as JsonObject;
}

const pair = jsonObject
  .chain((before) => fc.tuple(fc.constant(before), mutated(before)))
  .map(([before, after]) => [asJson(before), asJson(after)] as const);

/** Applied by fast-json-patch; validated, so that what the RFC forbids throws. */
function patched(document: JsonObject, patch: Json): JsonObject {
  return jsonPatchLibrary.applyPatch(copied(document), copied(patch) as never, true).newDocument as JsonObject;
}

function checkJsonPatch(
  t: { true: (value: boolean) => void },
  changes: Change[],
  before: JsonObject,
  after: JsonObject,
) {
  const whole = frozen(unsplice(changes, 'strings', before));
  for (const oldValues of [false, true]) {
    const patch = jsonPatch.format({ ...PATHS, changes: whole, oldValues }) as Json;
    t.true(equal(patched(before, patch), after));
  }
}

function checkMergePatch(
  t: { true: (value: boolean) => void },
  changes: Change[],
  before: JsonObject,
  after: JsonObject,
) {
  const patch = mergePatch.format({ ...PATHS, changes: frozen(unsplice(changes, 'lists and strings', before)) });
  if (patch instanceof Inexpressible) return false;
  t.true(equal(mergePatchLibrary.apply(copied(before), copied(patch)) as Json, after));
  return true;
}

test('JSON Patch: random documents', (t) => {
  fc.assert(fc.property(pair, ([before, after]) => checkJsonPatch(t, diff(before, after), before, after)));
});

test('JSON Patch: merged deltas, with many splices of a list', (t) => {
  fc.assert(
    fc.property(revisions({ min: 3, max: 6 }), (all) => {
      const documents = all.map(asJson);
      const deltas = documents.slice(1).map((after, i) => diff(documents[i]!, after));
      checkJsonPatch(t, merge(deltas), documents[0]!, documents.at(-1)!);
    }),
  );
});

test('JSON Patch: with old values it fits no other document', (t) => {
  const changes = diff({ a: 1, l: [1, 2, 3], r: {} }, { a: 2, l: [1, 9, 3] });
  const patch = jsonPatch.format({ ...PATHS, changes, oldValues: true }) as Json;
  t.throws(() => patched({ a: 1, l: [1, 3, 3], r: {} }, patch), { name: 'TEST_OPERATION_FAILED' });
  t.throws(() => patched({ a: 7, l: [1, 2, 3], r: {} }, patch), { name: 'TEST_OPERATION_FAILED' });
  t.deepEqual(patched({ a: 1, l: [1, 2, 3], r: {} }, patch), { a: 2, l: [1, 9, 3] });
});

test('JSON Patch: keys are escaped, and any key is a key', (t) => {
  const after = JSON.parse('{"a/b":{"~1~":1},"":{"":2},"__proto__":3}') as JsonObject;
  t.deepEqual(jsonPatch.format({ ...PATHS, changes: diff({ 'a/b': {}, '': {} }, after) }), [
    { op: 'add', path: '/a~1b/~01~0', value: 1 },
    { op: 'add', path: '//', value: 2 },
    { op: 'add', path: '/__proto__', value: 3 },
  ]);
});

test('merge patch: random documents, expressed or said not to be', (t) => {
  let expressed = 0;
  let refused = 0;
  fc.assert(
    fc.property(pair, ([before, after]) => {
      const changes = diff(before, after);
      const done = checkMergePatch(t, changes, before, after);
      // Refused exactly where a null would be stored that no list holds.
      t.is(done, !changes.some((change) => 'value' in change && storesNull(change.value)));
      if (done) expressed++;
      else refused++;
    }),
    { numRuns: 300 },
  );
  t.true(expressed > 0 && refused > 0, `${expressed} expressed, ${refused} refused`);
});

function storesNull(value: Json): boolean {
  return value === null || (isObject(value) && Object.values(value).some(storesNull));
}

test('merge patch: merged deltas', (t) => {
  fc.assert(
    fc.property(revisions({ min: 3, max: 6 }), (all) => {
      const documents = all.map(asJson);
      const deltas = documents.slice(1).map((after, i) => diff(documents[i]!, after));
      checkMergePatch(t, merge(deltas), documents[0]!, documents.at(-1)!);
    }),
  );
});

test('merge patch: what it cannot say', (t) => {
  const refusal = (changes: Change[]) => {
    const made = mergePatch.format({ ...PATHS, changes });
    return made instanceof Inexpressible ? made.why : made;
  };
  t.is(refusal(diff({}, { a: null })), 'a merge patch cannot store null, as at ["a"]');
  t.is(refusal(diff({ a: { b: 1 } }, { a: { b: null } })), 'a merge patch cannot store null, as at ["a","b"]');
  t.is(refusal(diff({}, { a: { b: null } })), 'a merge patch cannot store null, as at ["a"]');
  t.deepEqual(refusal(diff({}, { a: [null, { b: null }] })) as never, { a: [null, { b: null }] });
  const again: Change[] = [
    { action: 'removed', path: ['a'], old: { b: 1 } },
    { action: 'added', path: ['a'], value: { c: 1 } },
  ];
  t.regex(refusal(again) as string, /remove and add/);
  const below: Change[] = [again[0]!, { action: 'added', path: ['a', 'c'], value: 1 }];
  t.regex(refusal(below) as string, /remove and add/);
});

test('a merge patch shares nothing that it changes', (t) => {
  const changes: Change[] = frozen([
    { action: 'added', path: ['a'], value: { b: { c: 1 } } },
    { action: 'modified', path: ['a', 'b', 'c'], value: 2, old: 1 },
  ]);
  t.deepEqual(mergePatch.format({ ...PATHS, changes }), { a: { b: { c: 2 } } });
});

test('flat: one entry for each change, lists whole', (t) => {
  const before: JsonObject = { a: { b: 1 }, l: [1, 2, 3], r: null };
  const changes = unsplice(diff(before, { a: { b: 2, c: {} }, l: [1, 3] }), 'lists and strings', before);
  t.deepEqual(flat.format({ contextId: 'x', changes, oldValues: true }), [
    { key_path: ['a', 'b'], action: 'modified', value: 2, old_value: 1, context_id: 'x' },
    { key_path: ['a', 'c'], action: 'added', value: {}, context_id: 'x' },
    { key_path: ['l'], action: 'modified', value: [1, 3], old_value: [1, 2, 3], context_id: 'x' },
    { key_path: ['r'], action: 'removed', old_value: null, context_id: 'x' },
  ]);
  t.false(JSON.stringify(flat.format({ contextId: 'x', changes, oldValues: false })).includes('old_value'));
});

test('whole lists and strings in place of splices have the same effect', (t) => {
  fc.assert(
    fc.property(revisions({ min: 2, max: 5 }), (documents) => {
      const changes = merge(documents.slice(1).map((after, i) => diff(documents[i]!, after)));
      const whole = unsplice(frozen(changes), 'lists and strings', frozen(documents[0]!));
      t.false(hasSplices(whole, 'lists and strings'));
      t.true(equal(apply(whole, documents[0]!), documents.at(-1)!));
    }),
  );
});

test('JSON Patch and merge patch on the histories of documents', (t) => {
  for (const { name, revisions: documents } of readHistories()) {
    let refused = 0;
    for (let i = 1; i < documents.length; i++) {
      const [before, after] = [documents[i - 1]!, documents[i]!];
      const changes = diff(before, after);
      checkJsonPatch(t, changes, before, after);
      if (!checkMergePatch(t, changes, before, after)) refused++;
    }
    t.log(`${name}: ${documents.length} revisions, ${refused} beyond a merge patch`);
  }
});
