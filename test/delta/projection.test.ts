/** Parts of documents: what a client of some subtrees gets is what the whole document would leave of them. */
import test from 'ava';
import fc from 'fast-check';
import { decodeParts, encodeStruct } from '../../src/codec/struct.js';
import { apply, type Change, diff, equal, invert, merge } from '../../src/delta/index.js';
import { projectChanges, projectDocument, projectionOf, union } from '../../src/delta/projection.js';
import type { JsonObject } from '../../src/model/model.js';
import { editLists, frozen, jsonObject, mutated, revisions, written } from '../support/arbitrary.js';

const key = fc.constantFrom('a', 'b', 'c', 'list', '', '__proto__', 'constructor', 'a.b', '0');
const scope = fc.array(fc.array(key, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }).map(projectionOf);

test('law: projectDocument(apply(d, a)) = apply(projectChanges(d), projectDocument(a))', (t) => {
  let cut = 0;
  const pairs = jsonObject.chain((before) => fc.tuple(fc.constant(before), mutated(before)));
  fc.assert(
    fc.property(pairs, scope, ([before, after], part) => {
      const changes = frozen(diff(before, after));
      const less = projectChanges(changes, part);
      t.true(equal(apply(less, projectDocument(frozen(before), part)), projectDocument(after, part)));
      if (less.length > 0 && less.length < changes.length) cut++;
    }),
    { numRuns: 500 },
  );
  t.true(cut > 0, `${cut} deltas were cut`);
});

test('law: parts that are decoded alone are what pruning leaves', (t) => {
  fc.assert(
    fc.property(jsonObject, scope, (document, part) => {
      t.true(equal(decodeParts(encodeStruct(document), part), projectDocument(document, part)));
    }),
    { numRuns: 1000 },
  );
});

test('law: the same for deltas as writers may make them, change by change', (t) => {
  fc.assert(
    fc.property(jsonObject, editLists, scope, (document, edits, part) => {
      let now = document;
      for (const changes of written(document, edits)) {
        const next = apply(changes, now);
        t.true(equal(apply(projectChanges(changes, part), projectDocument(now, part)), projectDocument(next, part)));
        now = next;
      }
    }),
    { numRuns: 300 },
  );
});

test('law: narrowed deltas merge and invert', (t) => {
  fc.assert(
    fc.property(revisions({ min: 2, max: 6 }), scope, (documents, part) => {
      const deltas = documents.slice(1).map((after, i) => projectChanges(diff(documents[i]!, after), part));
      const [first, last] = [projectDocument(documents[0]!, part), projectDocument(documents.at(-1)!, part)];
      t.true(equal(apply(merge(deltas), first), last));
      t.true(equal(apply(invert(merge(deltas)), last), first));
    }),
  );
});

test('at, below, above and elsewhere', (t) => {
  const part = projectionOf([['a', 'b']]);
  const before: JsonObject = { a: { b: { x: 1 }, c: 1 }, d: 1 };
  const told = (after: JsonObject): Change[] => projectChanges(diff(before, after), part);
  t.deepEqual(told({ ...before, d: 2 }), []);
  t.deepEqual(told({ a: { b: { x: 1 }, c: 2 }, d: 1 }), []);
  t.deepEqual(told({ a: { b: { x: 2 }, c: 1 }, d: 1 }), [
    { action: 'modified', path: ['a', 'b', 'x'], value: 2, old: 1 },
  ]);
  t.deepEqual(told({ a: { c: 1 }, d: 1 }), [{ action: 'removed', path: ['a', 'b'], old: { x: 1 } }]);
  // Above: no more than the subtree is told.
  t.deepEqual(told({ d: 1 }), [{ action: 'removed', path: ['a'], old: { b: { x: 1 } } }]);
  t.deepEqual(told({ a: 5, d: 1 }), [{ action: 'removed', path: ['a'], old: { b: { x: 1 } } }]);
  t.deepEqual(projectDocument(before, part), { a: { b: { x: 1 } } });
  t.deepEqual(projectDocument({ a: 5, d: 1 }, part), {});
  t.deepEqual(projectDocument({ a: { c: 1 } }, part), { a: {} });
});

test('scopes are equal by what they cover, and unite', (t) => {
  t.is(projectionOf([['a'], ['b', 'c']]).key, projectionOf([['b', 'c'], ['a', 'x'], ['a']]).key);
  t.not(projectionOf([['a', 'b']]).key, projectionOf([['a.b']]).key);
  t.is(union([projectionOf([['a']]), projectionOf([['b']])])?.key, projectionOf([['b'], ['a']]).key);
  t.is(union([projectionOf([['a']]), undefined]), undefined);
});
