/** Random documents for properties: hostile keys, small alphabets so that documents overlap, edits that keep most of them. */
import fc from 'fast-check';
import type { Change } from '../../src/delta/index.js';
import { getMember, isObject, type Json, type JsonObject, setMember } from '../../src/model/model.js';

const KEYS = [
  'a',
  'b',
  'c',
  'list',
  '',
  '__proto__',
  'constructor',
  'toString',
  'action',
  'a/b',
  'a.b',
  'ключ',
  '0',
  '1',
];
const SCALARS: Json[] = [null, true, false, 0, -0, 1, -1, 1.5, '', 'a', 'b', 'ü', '𝄞', 'some words more than a few'];

/** Strings that are long enough to be spliced: astral code points, marks that combine, and what is in common all over. */
const WORDS = [
  'the quick brown fox ',
  '𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞',
  'e\u0301',
  '👩‍👩‍👧',
  'ß',
  'x',
  '\u{10fc00}\u{1f400}',
  'и слово за словом ',
];
export const longText = fc.array(fc.constantFrom(...WORDS), { maxLength: 10 }).map((words) => words.join(''));

const key = fc.constantFrom(...KEYS);
const scalar: fc.Arbitrary<Json> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SCALARS) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 300 }) },
  { weight: 2, arbitrary: longText },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
);

export const { jsonValue, jsonObject } = fc.letrec<{ jsonValue: Json; jsonObject: JsonObject }>((tie) => ({
  jsonValue: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 3, arbitrary: scalar },
    { weight: 2, arbitrary: tie('jsonObject') },
    { weight: 2, arbitrary: fc.array(tie('jsonValue'), { maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(scalar, { maxLength: 12 }) },
  ),
  jsonObject: fc.array(fc.tuple(key, tie('jsonValue')), { maxLength: 6 }).map(objectOf),
}));

/** One change somewhere in a document: `route` picks the way down, `put` what happens at its end. */
export interface Edit {
  readonly route: readonly number[];
  readonly key: string;
  /** undefined: remove the member. */
  readonly put: Json | undefined;
  /** In a list: how many elements give way to these. */
  readonly removedCount: number;
  readonly inserted: readonly Json[];
}

const edit: fc.Arbitrary<Edit> = fc.record({
  route: fc.array(fc.nat(11), { maxLength: 5 }),
  key,
  put: fc.option(jsonValue, { nil: undefined, freq: 3 }),
  removedCount: fc.nat(3),
  inserted: fc.array(jsonValue, { maxLength: 3 }),
});

const edits = fc.array(edit, { maxLength: 4 });

/** Documents that are a few edits away from this one, now and then quite another. */
export function mutated(document: JsonObject): fc.Arbitrary<JsonObject> {
  return fc.oneof(
    { weight: 9, arbitrary: edits.map((some) => some.reduce(edited, document)) },
    { weight: 1, arbitrary: jsonObject },
  );
}

/** A document and its next revisions, `length` in all; some of them return to an earlier one. */
export function revisions(length: { min: number; max: number }): fc.Arbitrary<JsonObject[]> {
  const back = fc.option(fc.nat(), { nil: undefined, freq: 6 });
  const steps = fc.array(fc.tuple(edits, back), { minLength: length.min - 1, maxLength: length.max - 1 });
  return fc.tuple(jsonObject, steps).map(([first, rest]) => {
    const all = [first];
    for (const [some, to] of rest) {
      all.push(to === undefined ? some.reduce(edited, all.at(-1)!) : copied(all[to % all.length]!));
    }
    return all;
  });
}

function objectOf(members: readonly (readonly [string, Json])[]): JsonObject {
  const object: JsonObject = {};
  for (const [name, value] of members) setMember(object, name, value);
  return object;
}

/** A copy that shares nothing. */
export function copied<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(copied) as T;
  if (typeof value !== 'object' || value === null) return value;
  return objectOf(Object.entries(value).map(([name, member]) => [name, copied(member as Json)])) as T;
}

function edited(document: JsonObject, change: Edit): JsonObject {
  const result = copied(document);
  let place: JsonObject = result;
  for (const pick of change.route) {
    const names = Object.keys(place);
    const name = names[pick % (names.length + 1)];
    const member = name === undefined ? undefined : place[name];
    if (Array.isArray(member)) {
      member.splice(pick % (member.length + 1), change.removedCount, ...copied([...change.inserted]));
      return result;
    }
    if (typeof member === 'string' && name !== undefined && change.key < 'c') {
      setMember(place, name, textSplice(member, pick, change).after);
      return result;
    }
    if (typeof member !== 'object' || member === null) break;
    place = member;
  }
  if (change.put === undefined) delete place[change.key];
  else setMember(place, change.key, copied(change.put));
  return result;
}

/** Freezes a value and all in it, so that a function that writes to its input throws. */
export function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const name of Object.keys(value)) frozen((value as { [key: string]: unknown })[name]);
  }
  return value;
}

/**
 * Deltas that follow upon one another from a document, as writers may make them and `diff` would not: several
 * changes of one path in one delta, splices anywhere in a list, members that are removed and come back.
 */
export function written(document: JsonObject, some: readonly (readonly Edit[])[]): Change[][] {
  let now = document;
  return some.map((delta) =>
    delta.flatMap((one) => {
      const changes = changesOf(now, one);
      now = changes.reduce(appliedPlainly, copied(now));
      return changes;
    }),
  );
}

export const editLists = fc.array(edits, { minLength: 1, maxLength: 8 });

function changesOf(document: JsonObject, one: Edit): Change[] {
  const path: string[] = [];
  let place = document;
  for (const pick of one.route) {
    const names = Object.keys(place);
    const name = names[pick % (names.length + 1)];
    if (name === undefined) break;
    path.push(name);
    const member = place[name]!;
    if (Array.isArray(member) && one.removedCount + one.inserted.length > 0) {
      const index = pick % (member.length + 1);
      const removed = member.slice(index, index + one.removedCount);
      return [{ action: 'spliced', path, index, removedCount: removed.length, removed, inserted: one.inserted }];
    }
    if (typeof member === 'string' && one.removedCount + one.inserted.length > 0) {
      return [{ action: 'text_spliced', path, ...textSplice(member, pick, one).splice }];
    }
    if (!isObject(member)) return memberChange(path, member, one.put);
    place = member;
  }
  return memberChange([...path, one.key], getMember(place, one.key), one.put);
}

/** A splice of a string, in the plainest way. */
function textSplice(text: string, pick: number, { removedCount, inserted }: Edit) {
  const points = [...text];
  const index = (pick * 7) % (points.length + 1);
  const removed = points.slice(index, index + removedCount);
  const more = inserted.map((value) => (typeof value === 'string' ? value : '𝄞t')).join('');
  const splice = { index, removedCount: removed.length, removed: removed.join(''), inserted: more };
  const after = points.toSpliced(index, removedCount, more).join('');
  return { splice: { ...splice, oldBytes: Buffer.byteLength(text) }, after };
}

function memberChange(path: string[], old: Json | undefined, value: Json | undefined): Change[] {
  if (old === undefined) return value === undefined ? [] : [{ action: 'added', path, value }];
  if (value === undefined) return [{ action: 'removed', path, old }];
  if (!isObject(old) || !isObject(value)) return [{ action: 'modified', path, value, old }];
  return [
    { action: 'removed', path, old },
    { action: 'added', path, value },
  ];
}

/** What a change means, in the plainest words. */
export function appliedPlainly(document: JsonObject, change: Change): JsonObject {
  const result = copied(document);
  const parent = change.path.slice(0, -1).reduce((place, name) => place[name] as JsonObject, result);
  const name = change.path.at(-1)!;
  if (change.action === 'removed') delete parent[name];
  else if (change.action === 'spliced') {
    (parent[name] as Json[]).splice(change.index, change.removedCount, ...copied([...change.inserted]));
  } else if (change.action === 'text_spliced') {
    const points = [...(parent[name] as string)];
    setMember(parent, name, points.toSpliced(change.index, change.removedCount, change.inserted).join(''));
  } else setMember(parent, name, copied(change.value));
  return result;
}
