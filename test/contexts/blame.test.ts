/** Blame is what a walk over all deltas says that annotates every leaf, every element and every code point. */
import test from 'ava';
import fc from 'fast-check';
import { decodeChanges } from '../../src/codec/changes.js';
import { decodeProvenance } from '../../src/codec/provenance.js';
import type { BlameLine, BlamePage } from '../../src/contexts/blame/blame.js';
import type { Mutation } from '../../src/contexts/writes/mutations.js';
import type { Change, Path } from '../../src/delta/types.js';
import { getMember, isObject, type Json, type JsonObject, setMember } from '../../src/model/model.js';
import { type Engine, openChord } from '../../src/server/app.js';
import { documentOf } from '../support/reader.js';

/** `CHORD_RUNS=100000` for a long run. */
const RUNS = Number(process.env.CHORD_RUNS ?? 150);

// The plainest blame.

type Blamed =
  | { kind: 'object'; by: number; members: Map<string, Blamed> }
  | { kind: 'list' | 'text'; by: number; parts: number[] }
  | { kind: 'value'; by: number };

function madeBy(value: Json, by: number): Blamed {
  if (typeof value === 'string') return { kind: 'text', by, parts: [...value].map(() => by) };
  if (Array.isArray(value)) return { kind: 'list', by, parts: value.map(() => by) };
  if (typeof value !== 'object' || value === null) return { kind: 'value', by };
  return { kind: 'object', by, members: new Map(Object.entries(value).map(([key, each]) => [key, madeBy(each, by)])) };
}

function apply(root: Blamed, change: Change, by: number): void {
  const parent = change.path.slice(0, -1).reduce((node, key) => {
    return (node as Blamed & { kind: 'object' }).members.get(key)!;
  }, root) as Blamed & { kind: 'object' };
  const key = change.path.at(-1)!;
  const node = parent.members.get(key);
  switch (change.action) {
    case 'removed':
      parent.members.delete(key);
      parent.by = by;
      break;
    case 'spliced':
    case 'text_spliced': {
      const inserted = [...change.inserted].map(() => by);
      const { parts } = node as Blamed & { kind: 'list' };
      parts.splice(change.index, change.removedCount, ...inserted);
      node!.by = by;
      break;
    }
    default:
      parent.members.set(key, madeBy(change.value, by));
  }
}

interface Line {
  readonly path: Path;
  readonly index?: number;
  readonly count?: number;
  readonly value: Json;
  readonly by: number;
}

/** Without the versions below `oldest`, which count as 0. */
function linesOf(node: Blamed, value: Json, path: Path, oldest: number): Line[] {
  const known = (by: number) => (by < oldest ? 0 : by);
  if (node.kind === 'object' && node.members.size > 0) {
    const keys = [...node.members.keys()].sort();
    return keys.flatMap((key) => {
      return linesOf(
        node.members.get(key)!,
        Object.getOwnPropertyDescriptor(value, key)!.value,
        [...path, key],
        oldest,
      );
    });
  }
  if (!('parts' in node) || node.parts.length === 0) return [{ path, value, by: known(node.by) }];
  const units = typeof value === 'string' ? [...value] : (value as Json[]);
  const lines: { path: Path; index: number; count: number; value: Json; by: number }[] = [];
  node.parts.forEach((part, index) => {
    const last = lines.at(-1);
    const by = known(part);
    if (last?.by !== by) lines.push({ path, index, count: 0, value: typeof value === 'string' ? '' : [], by });
    const line = lines.at(-1)!;
    line.count++;
    line.value =
      typeof value === 'string' ? `${line.value}${units[index]}` : [...(line.value as Json[]), units[index]!];
  });
  return lines;
}

const told = ({ path, run, value, by }: BlameLine): Line => ({ path, ...run, value, by: by?.version ?? 0 });

async function pages(chord: Engine, id: string, paths: readonly Path[], pageSize: number, meanwhile = async () => {}) {
  const all: BlamePage[] = [];
  for (let pageToken = ''; all.length === 0 || pageToken !== ''; pageToken = all.at(-1)!.nextPageToken) {
    all.push(await chord.contexts.past.blame(id, paths.length > 0 ? paths : undefined, { pageSize, pageToken }));
    await meanwhile();
  }
  return all;
}

// Histories. What they name is fitted to the document that each mutation meets, so that few are refused.

const key = fc.constantFrom('a', 'b', '__proto__', '');
const inner = fc.constantFrom<Json>(1, null, '', 'x𝄞', {}, [], [1, 2], { a: {} }, { a: 1, b: 'yz' });
const text = fc.constantFrom('', 'a', '𝄞', 'bcd', 'e\u0301𝄞f');
const values = fc.array(inner, { maxLength: 3 });
const any = fc.nat(1000);
const wish = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), any, key, value: inner }),
  fc.record({ kind: fc.constant('remove' as const), any }),
  fc.record({ kind: fc.constant('splice' as const), index: any, removed: fc.nat(3), values }),
  fc.record({ kind: fc.constant('splice_text' as const), index: any, removed: fc.nat(3), text }),
  fc.record({ kind: fc.constant('append' as const), values }),
  fc.record({ kind: fc.constant('append_text' as const), text }),
);
type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;
const document = fc.dictionary(key, inner, { maxKeys: 3 }) as fc.Arbitrary<JsonObject>;
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ wishes: fc.array(wish, { minLength: 1, maxLength: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ value: document }) },
  { weight: 1, arbitrary: fc.record({ back: fc.nat(4) }) },
);

/** The paths of all members, those of objects first. */
function pathsIn(value: Json, above: Path = []): Path[] {
  if (!isObject(value)) return [];
  return Object.keys(value).flatMap((name) => [
    [...above, name],
    ...pathsIn(getMember(value, name)!, [...above, name]),
  ]);
}

function fitted(asked: Wish, now: JsonObject): Mutation {
  const list = (getMember(now, 'list') ?? []) as Json[];
  const points = [...((getMember(now, 't') ?? '') as string)].length;
  const place = (length: number, index: number, removed: number) => {
    const at = index % (length + 1);
    return { index: at, removeCount: Math.min(removed, length - at) };
  };
  switch (asked.kind) {
    case 'set': {
      const objects = [[], ...pathsIn(now).filter((path) => isObject(valueAt(now, path)))];
      return { kind: 'set', path: [...objects[asked.any % objects.length]!, asked.key], value: asked.value };
    }
    case 'remove': {
      const paths = pathsIn(now).filter(([name]) => name !== 'list' && name !== 't');
      return { kind: 'remove', path: paths[asked.any % Math.max(1, paths.length)] ?? ['none'] };
    }
    case 'splice':
      return {
        kind: 'splice',
        path: ['list'],
        ...place(list.length, asked.index, asked.removed),
        insert: asked.values,
      };
    case 'splice_text':
      return { kind: 'splice_text', path: ['t'], ...place(points, asked.index, asked.removed), insert: asked.text };
    case 'append':
      return { kind: 'append', path: ['list'], values: asked.values };
    case 'append_text':
      return { kind: 'append_text', path: ['t'], text: asked.text };
  }
}

const valueAt = (root: Json, path: Path): Json | undefined =>
  path.reduce<Json | undefined>((value, name) => (isObject(value) ? getMember(value, name) : undefined), root);

test('blame is that of a walk over all deltas, as far as they are retained', async (t) => {
  // A small threshold makes snapshots and trims frequent, and memory of deltas short.
  const chord = await openChord({ backend: 'memory', cleanupInterval: 0, deltaThreshold: 3 });
  t.teardown(() => chord.close());
  const { contexts } = chord;
  let run = 0;
  const law = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 16 }),
    fc.array(fc.array(fc.oneof(key, fc.constantFrom('list', 't')), { minLength: 1, maxLength: 2 }), { maxLength: 3 }),
    fc.boolean(),
    fc.integer({ min: 1, max: 5 }),
    fc.nat(20),
    async (steps, paths, empty, size, trimmed) => {
      const id = `r${run++}`;
      const root = madeBy({}, 1);
      let version = 0;
      const options = { allowMissing: true, returning: { delta: true } };
      const begin: JsonObject = empty ? {} : { list: [1, 2, 3], t: 'ab𝄞d', a: { b: {} } };
      for (const [i, each] of [{ value: begin }, ...steps].entries()) {
        const now = version === 0 ? {} : documentOf(await contexts.get(id));
        const caller = `author ${i}`;
        const written =
          'wishes' in each
            ? contexts.update(
                id,
                { mutations: each.wishes.map((wish) => structuredClone(fitted(wish, now))) },
                { ...options, caller },
              )
            : 'value' in each
              ? contexts.set(id, structuredClone(each.value), { ...options, caller })
              : contexts.revert(id, Math.max(1, version - each.back), { ...options, caller });
        const { delta } = await written.catch(() => ({ delta: undefined }));
        if (!delta) continue;
        version = delta.to.version;
        for (const change of decodeChanges(delta.payload.changes, delta.payload.olds)) apply(root, change, version);
      }
      const dropped = await contexts.trim(id, Math.min(trimmed, version));
      const found = await pages(chord, id, [], size);
      const value = documentOf(await contexts.get(id));
      const expected = linesOf(root, value, [], dropped + 1);
      const lines = found.flatMap((page) => page.lines);
      t.deepEqual(lines.map(told), expected);
      for (const page of found) {
        t.is(page.position.version, version);
        t.true(page.lines.length <= size);
        t.is(page.olderThan, page.lines.some(({ by }) => !by) ? dropped + 1 : 0);
      }
      const { deltas } = await contexts.deltas(id, dropped, { pageSize: 100 });
      const known = new Map(deltas.map(({ to, at: time, provenance }) => [to.version, { time, provenance }]));
      for (const { by } of lines) {
        const delta = by && known.get(by.version);
        if (delta) t.deepEqual([by.at, by.provenance], [delta.time, delta.provenance]);
        if (by) t.regex(decodeProvenance(by.provenance).author, /^author \d+$/);
      }
      if (paths.length === 0) return;
      const within = (line: Line) => paths.some((wanted) => wanted.every((name, i) => line.path[i] === name));
      const some = (await pages(chord, id, paths, size)).flatMap((page) => page.lines);
      t.deepEqual(some.map(told), expected.filter(within));
    },
  );
  await fc.assert(law, { numRuns: RUNS });
});

test('all pages are of one version, whatever is written meanwhile', async (t) => {
  const chord = await openChord({ backend: 'memory', cleanupInterval: 0 });
  t.teardown(() => chord.close());
  const value: JsonObject = {};
  for (let i = 0; i < 3000; i++) setMember(value, `k${(i * 7) % 3001}`, i);
  await chord.contexts.set('a', value);
  let n = 0;
  const write = async () => {
    n++;
    await chord.contexts.update('a', { changes: { [`k${n}`]: 'new' }, mutations: [{ kind: 'remove', path: ['k0'] }] });
  };
  const found = await pages(chord, 'a', [], 400, write);
  t.deepEqual(new Set(found.map(({ position }) => position.version)), new Set([1]));
  t.deepEqual(
    found.flatMap(({ lines }) => lines.map((line) => [line.value, line.by?.version])),
    Object.keys(value)
      .sort()
      .map((name) => [value[name], 1]),
  );
  await chord.contexts.delete('a');
  await chord.contexts.set('a', value);
  await t.throwsAsync(chord.contexts.past.blame('a', undefined, { pageToken: found[0]!.nextPageToken }), {
    message: /earlier life/,
  });
});

test('a text of ten thousand appends is blamed in pages, each within its bounds', async (t) => {
  const chord = await openChord({ backend: 'memory', cleanupInterval: 0, deltaThreshold: 100_000 });
  t.teardown(() => chord.close());
  const { contexts } = chord;
  await contexts.set('a', { t: '' });
  const texts = Array.from({ length: 10_010 }, (_, i) => (i % 2 === 0 ? '𝄞' : 'x'));
  const append = (text: string): Mutation => ({ kind: 'append_text', path: ['t'], text });
  await Promise.all(texts.map((text) => contexts.update('a', { mutations: [append(text)] })));
  const found = await pages(chord, 'a', [['t']], 1000);
  const lines = found.flatMap((page) => page.lines);
  t.deepEqual(lines[0]?.run, { index: 0, count: 10 }, 'more than 10,000 versions back');
  t.is(lines[0]?.by, undefined);
  t.is(found[0]!.olderThan, 12);
  t.deepEqual(
    lines.slice(1).map(({ run, by }) => [run!.index, run!.count, by!.version]),
    Array.from({ length: 10_000 }, (_, i) => [i + 10, 1, i + 12]),
  );
  t.is(lines.map((line) => line.value).join(''), '𝄞x'.repeat(5005));
});
