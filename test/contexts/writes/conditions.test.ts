/** Conditions of writes: what holds is decided by all versions in between, and what does not hold is named. */
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import type { Expected } from '../../../src/contexts/writes/conditions.js';
import type { Mutation } from '../../../src/contexts/writes/mutations.js';
import { ChordError } from '../../../src/model/errors.js';
import type { Json, JsonObject, Position } from '../../../src/model/model.js';
import { type Engine, openChord } from '../../../src/server/app.js';
import { documentOf } from '../../support/reader.js';
import { touches } from '../../support/touches.js';
import { controlled, shared } from '../stores.js';

/** `CHORD_RUNS=100000` for a long run. */
const RUNS = Number(process.env.CHORD_RUNS ?? 100);

const open = () => openChord({ backend: 'memory' });
const read = async ({ contexts }: Engine, id: string) => documentOf(await contexts.get(id));
const set = (value: Json, ...path: string[]): Mutation => ({ kind: 'set', path, value });
const since = (position: Position | undefined, ...paths: string[][]): { expected: Expected } => {
  return { expected: { kind: 'unchanged', since: position!, paths } };
};
const refused = async (write: Promise<unknown>): Promise<ChordError> => {
  const error = await write.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof ChordError) return error;
  throw new Error('it was not refused', { cause: error });
};
const unmet = async (write: Promise<unknown>) => (await refused(write)).details.unmet;

const key = fc.constantFrom('a', 'b', 'c');
const path = fc.array(key, { minLength: 1, maxLength: 3 });
const value: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(1, 2, null, 'x'),
  fc.array(fc.constantFrom<Json>(1, 2), { maxLength: 3 }),
  fc.dictionary(key, fc.constantFrom<Json>(1, 2, {}), { maxKeys: 2 }) as fc.Arbitrary<Json>,
);
const step = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), path, value }),
  fc.record({ kind: fc.constant('remove' as const), path }),
);

test('a guard holds exactly where no version since touched its path, one above or one below', async (t) => {
  // With a threshold of 2 most histories are read from the store.
  const chords = await Promise.all([open(), openChord({ backend: 'memory', deltaThreshold: 2 })]);
  let runs = 0;
  const law = fc.asyncProperty(
    fc.array(step, { maxLength: 10 }),
    fc.array(path, { maxLength: 4 }),
    async (steps, guarded) => {
      const { contexts } = chords[runs % 2]!;
      const id = `r:${runs++}`;
      const positions = [(await contexts.set(id, { a: { b: 1 } })).position!];
      const documents: JsonObject[] = [{ a: { b: 1 } }];
      for (const mutation of steps) {
        const written = await contexts.update(id, { mutations: [mutation] }).catch(() => undefined);
        if (!written?.changed) continue;
        positions.push(written.position!);
        documents.push(documentOf(await contexts.get(id)) as JsonObject);
      }
      for (const [from, position] of positions.entries()) {
        const last = new Map<string, number>();
        for (const each of guarded) {
          for (let i = from + 1; i < documents.length; i++) {
            if (touches(documents[i - 1]!, documents[i]!, each)) last.set(JSON.stringify(each), i + 1);
          }
        }
        const write = contexts.update(id, {}, since(position, ...guarded));
        const found = await write.then(
          () => [],
          (error) => error.details.unmet.conditions as { path: string[]; touchedAt: number }[],
        );
        const named = found.map((each): [string, number] => [JSON.stringify(each.path), each.touchedAt]);
        if (!isDeepStrictEqual(named.sort(), [...last].sort())) t.deepEqual(named, [...last]);
      }
      await contexts.delete(id);
    },
  );
  await t.notThrowsAsync(fc.assert(law, { numRuns: RUNS }));
  for (const chord of chords) await chord.close();
});

/** Where a splice lies after others, by carrying it in the list itself: elements are unique. */
function carriedByHand(
  list: string[],
  mine: { index: number; removed: number },
  steps: { index: number; removed: number; insert: string[] }[],
) {
  type Marked = (string | { readonly mark: 'begin' | 'end' })[];
  const marked: Marked = [...list];
  marked.splice(mine.index + mine.removed, 0, { mark: 'end' });
  marked.splice(mine.index, 0, { mark: 'begin' });
  for (const { index, removed, insert } of steps) {
    const plain = marked.filter((each) => typeof each === 'string');
    const gone = plain.slice(index, index + removed);
    const begin = marked.findIndex((each) => typeof each === 'object');
    const end = marked.findLastIndex((each) => typeof each === 'object') - 1;
    if (index + removed > begin && index < end) return undefined;
    const before = index + removed <= begin;
    if (!before && index < end) return undefined;
    let at = before ? index : index + 2;
    for (const each of gone) marked.splice(marked.indexOf(each), 1);
    at = Math.min(at, marked.length);
    marked.splice(at, 0, ...insert);
  }
  const begin = marked.findIndex((each) => typeof each === 'object');
  return { index: begin, list: marked.filter((each): each is string => typeof each === 'string') };
}

test('a guarded splice replaces the elements that its client saw, wherever they lie now, or conflicts', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  let runs = 0;
  const raw = fc.record({ at: fc.nat(), take: fc.nat(3), put: fc.nat(2) });
  const law = fc.asyncProperty(fc.nat(6), fc.array(raw, { maxLength: 5 }), raw, async (length, others, own) => {
    const id = `s:${runs++}`;
    const list = Array.from({ length }, (_, i) => `old${i}`);
    const { position } = await contexts.set(id, { list: [...list] });
    let now = length;
    const steps = others.map(({ at, take, put }, i) => {
      const index = at % (now + 1);
      const removed = Math.min(take, now - index);
      const insert = Array.from({ length: put }, (_, j) => `new${i}.${j}`);
      now += put - removed;
      return { index, removed, insert };
    });
    for (const { index, removed, insert } of steps) {
      await contexts.update(id, {
        mutations: [{ kind: 'splice', path: ['list'], index, removeCount: removed, insert }],
      });
    }
    const index = own.at % (length + 1);
    const mine = { index, removed: Math.min(own.take, length - index) };
    const insert = ['mine'];
    const expected = carriedByHand(
      list,
      mine,
      steps.filter((each) => each.removed + each.insert.length > 0),
    );
    const mutation = { kind: 'splice' as const, path: ['list'], index, removeCount: mine.removed, insert };
    const write = contexts.update(id, { mutations: [mutation] }, since(position));
    if (!expected) t.is((await refused(write)).reason, 'ABORTED');
    else {
      await write;
      expected.list.splice(expected.index, mine.removed, ...insert);
      t.deepEqual(await read(chord, id), { list: expected.list });
    }
  });
  await fc.assert(law, { numRuns: RUNS });
  await chord.close();
});

test('a thousand writers with one stale position and a thousand paths all succeed, at once', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const paths = Array.from({ length: 1000 }, (_, i) => ['fields', `f${i}`]);
  const { position: stale } = await contexts.set('form', { fields: {} });
  const writes = paths.map((each, i) => contexts.update('form', { mutations: [set(i, ...each)] }, since(stale, each)));
  const versions = (await Promise.all(writes)).map((written) => written.position!.version);
  t.deepEqual(
    versions,
    paths.map((_, i) => i + 2),
  );
  await chord.close();
});

test('a change that was taken back is a touch; an absent member can be guarded', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const { position } = await contexts.set('a', { x: 1 });
  await contexts.update('a', { mutations: [set(1, 'other')] }, since(position, ['x'], ['y']));
  await contexts.update('a', { mutations: [set(2, 'x')] });
  await contexts.update('a', { mutations: [set(1, 'x')] });
  await contexts.update('a', { mutations: [set(1, 'y', 'z')] });
  const found = await unmet(contexts.update('a', { mutations: [set(9, 'x')] }, since(position, ['x'], ['y'])));
  t.deepEqual(found!.conditions, [
    { path: ['x'], touchedAt: 4 },
    { path: ['y'], touchedAt: 5 },
  ]);
  t.is(found!.current!.version, 5);
  t.deepEqual(await read(chord, 'a'), { x: 1, other: 1, y: { z: 1 } });
  await chord.close();
});

test('checks are of the document before the write, and all unmet ones are named', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  await contexts.set('shop', { stock: 1, state: 'open' });
  const take = () => {
    const one: Mutation = { kind: 'increment', path: ['stock'], by: -1 };
    const checks = [{ path: ['stock'], test: { kind: 'atLeast', limit: 1 } as const }];
    return contexts.update('shop', { mutations: [one] }, { expected: { kind: 'checks', checks } });
  };
  const taken = await Promise.allSettled([take(), take(), take()]);
  t.deepEqual(
    taken.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected'],
  );
  t.deepEqual(await read(chord, 'shop'), { stock: 0, state: 'open' });
  const test = { kind: 'equals', value: 'shut' } as const;
  const checks = [
    { path: ['state'], test },
    { path: ['stock'], test: { kind: 'atMost', limit: 0 } as const },
    { path: ['state', 'x'], test: { kind: 'exists', yes: false } as const },
    { path: ['lock'], test: { kind: 'exists', yes: true } as const },
    { path: ['state'], test: { kind: 'atLeast', limit: 0 } as const },
  ];
  const found = await unmet(contexts.delete('shop', { expected: { kind: 'checks', checks } }));
  t.deepEqual(
    found!.conditions,
    [checks[0], checks[3], checks[4]].map((check) => ({ path: check!.path, check: check! })),
  );
  const { position } = (await contexts.get('shop')).head;
  await contexts.delete('shop', { expected: { kind: 'position', position, checks: [checks[1]!] } });
  t.is((await refused(contexts.get('shop'))).reason, 'NOT_FOUND');
  await chord.close();
});

test('a position that cannot be compared is a conflict with its reason', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const { position } = await contexts.set('a', { x: 1 });
  await contexts.set('a', { x: 2 });
  const reason = async (position: Position) =>
    (await unmet(contexts.update('a', {}, since(position, ['y']))))!.sinceReason;
  t.is(await reason({ ...position!, epoch: 'another0' }), 'epoch_changed');
  t.is(await reason({ ...position!, version: 3 }), 'ahead');
  t.is(await reason({ ...position!, digest: 'another0' }), 'diverged');
  t.is(await reason({ ...position!, version: 2 }), 'diverged');
  await contexts.trim('a', 1);
  t.is(await reason(position!), 'history_truncated');
  await contexts.delete('a');
  const gone = await unmet(contexts.set('a', {}, since(position, ['y'])));
  t.deepEqual([gone!.current, gone!.sinceReason], [null, 'epoch_changed']);
  await chord.close();
});

test('set, revert, delete and each write of a batch take conditions; a batch writes all or nothing', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const { position } = await contexts.set('a', { x: 1 });
  await contexts.set('a', { x: 2 });
  await contexts.set('b', {});
  const guarded = since(position, ['x']);
  for (const write of [
    contexts.set('a', {}, guarded),
    contexts.revert('a', 1, guarded),
    contexts.delete('a', guarded),
    contexts.batch([
      { kind: 'set', id: 'b', value: { n: 1 } },
      { kind: 'delete', id: 'a', ...guarded },
    ]),
  ]) {
    t.deepEqual((await unmet(write))!.conditions, [{ path: ['x'], touchedAt: 2 }]);
  }
  t.deepEqual(await read(chord, 'b'), {});
  const other = since(position, ['y']);
  await contexts.revert('a', 1, other);
  await contexts.batch([
    { kind: 'update', id: 'a', mutations: [set(3, 'y')], ...other },
    {
      kind: 'set',
      id: 'b',
      value: { n: 1 },
      expected: { kind: 'checks', checks: [{ path: ['n'], test: { kind: 'exists', yes: false } }] },
    },
  ]);
  t.deepEqual([await read(chord, 'a'), await read(chord, 'b')], [{ x: 1, y: 3 }, { n: 1 }]);
  await chord.close();
});

test('splices of one write all name places of the document that its client saw', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const { position } = await contexts.set('a', { list: ['x', 'y', 'z'] });
  const splice = (index: number, removeCount: number, ...insert: string[]): Mutation => {
    return { kind: 'splice', path: ['list'], index, removeCount, insert };
  };
  await contexts.update('a', { mutations: [splice(0, 0, 'first')] });
  await contexts.update(
    'a',
    { mutations: [splice(0, 1, 'X'), splice(2, 1, 'Z', 'Z2'), splice(1, 0, 'between')] },
    since(position),
  );
  t.deepEqual(await read(chord, 'a'), { list: ['first', 'X', 'between', 'y', 'Z', 'Z2'] });
  const now = (await contexts.get('a')).head.position;
  const twice = await refused(contexts.update('a', { mutations: [splice(0, 2), splice(1, 1)] }, since(now)));
  t.is(twice.details.violations?.[0]?.field, 'mutations[1].splice');
  const replaced = await refused(contexts.update('a', { mutations: [set([], 'list'), splice(1, 1)] }, since(now)));
  t.is(replaced.details.violations?.[0]?.field, 'mutations[1].splice');
  t.deepEqual((await unmet(contexts.update('a', { mutations: [splice(0, 1)] }, since(position))))!.conditions, [
    { path: ['list'], touchedAt: 3 },
  ]);
  await chord.close();
});

test('a write is judged by the writes in flight before it, and judged anew where these come to nothing', async (t) => {
  const { control, store } = controlled();
  const chord = await openChord({ store: () => store });
  const { contexts } = chord;
  const { position } = await contexts.set('a', { x: 1 });
  control.held = true;
  control.faults = [undefined];
  const first = contexts.update('a', { mutations: [set(2, 'x')] });
  const second = refused(contexts.update('a', { mutations: [set(3, 'x')] }, since(position, ['x'])));
  control.release();
  await first;
  t.deepEqual((await second).details.unmet!.conditions, [{ path: ['x'], touchedAt: 2 }]);

  const at = (await contexts.get('a')).head.position;
  control.faults = ['lost'];
  const lost = refused(contexts.update('a', { mutations: [set(4, 'x')] }));
  const anew = contexts.update('a', { mutations: [set(5, 'y')] }, since(at, ['x']));
  control.held = false;
  control.release();
  t.is((await lost).reason, 'UNAVAILABLE');
  t.is((await anew).position!.version, 3);
  t.deepEqual(await read(chord, 'a'), { x: 2, y: 5 });
  await chord.close();
});

test('the writes of other servers count, told or not', async (t) => {
  for (const fate of ['arrives', 'lost'] as const) {
    const chords = await Promise.all(
      shared(2, () => fate).stores.map((store) => openChord({ store: () => store, deltaThreshold: 3 })),
    );
    const [here, there] = chords.map(({ contexts }) => contexts);
    const { position } = await here!.set('a', { n: 0 });
    for (let i = 1; i <= 10; i++) await there!.update('a', { mutations: [set(i, 'n')] });
    t.is(
      (await unmet(here!.update('a', { mutations: [set(0, 'n')] }, since(position, ['n']))))!.conditions[0]!.path[0],
      'n',
    );
    t.is((await here!.update('a', { mutations: [set(1, 'm')] }, since(position, ['m']))).position!.version, 12);
    // A position that only the other server has given.
    const { position: ahead } = await there!.update('a', { mutations: [set(11, 'n')] });
    t.is((await here!.update('a', { mutations: [set(2, 'm')] }, since(ahead, ['n']))).position!.version, 14);
    for (const chord of chords) await chord.close();
  }
});

test('a repeat answers the first try, and its conditions are part of what is repeated', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const { position } = await contexts.set('a', { x: 1 });
  const write = (expected: Expected) =>
    contexts.update('a', { mutations: [set(2, 'x')] }, { requestId: 'r', expected });
  const guarded: Expected = { kind: 'unchanged', since: position!, paths: [['x']] };
  const first = await write(guarded);
  t.deepEqual((await write(guarded)).position, first.position);
  const other = await refused(write({ ...guarded, paths: [['y']] }));
  t.is(other.details.violations?.[0]?.field, 'requestId');
  await chord.close();
});

test('conditions over a limit are refused before anything is read', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const position = { epoch: '', version: 1, digest: '' };
  const check = { path: ['x'], test: { kind: 'exists', yes: true } as const };
  const refusal = async (expected: Expected) => (await refused(contexts.set('a', {}, { expected }))).message;
  const long = Array.from({ length: 33 }, () => 'k');
  t.regex(await refusal({ kind: 'checks', checks: Array(101).fill(check) }), /^expected.checks: are more than 100/);
  t.regex(await refusal({ kind: 'checks', checks: [{ ...check, path: [] }] }), /^expected.checks\[0\].path: must name/);
  t.regex(
    await refusal({ kind: 'unchanged', since: position, paths: Array(1001).fill(['x']) }),
    /paths: are more than 1000/,
  );
  t.regex(await refusal({ kind: 'unchanged', since: position, paths: [long] }), /paths\[0\]: is longer than 32 keys/);
  t.regex(await refusal({ kind: 'unchanged', since: position, paths: [['k'.repeat(1025)]] }), /a key of 1025 bytes/);
  t.regex(await refusal({ kind: 'unchanged', since: { ...position, version: 0 }, paths: [] }), /since: has no version/);
  const many = Array.from({ length: 1000 }, () => Array(26).fill('k'));
  t.regex(await refusal({ kind: 'unchanged', since: position, paths: many }), /more than 25000 members/);
  await chord.close();
});
