/** Writes to several contexts as one: what they do, whom they refuse, and what readers see of them. */
import test from 'ava';
import type { BatchedWrite } from '../../../src/contexts/writes/batch.js';
import { ChordError } from '../../../src/model/errors.js';
import type { JsonObject } from '../../../src/model/model.js';
import { type Engine, openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import { documentOf, Reader } from '../../support/reader.js';
import { turnsOf } from '../../support/turns.js';
import { controlled, over, shared } from '../stores.js';

const open = () => openChord({ backend: 'memory' });
const read = async ({ contexts }: Engine, id: string) => documentOf(await contexts.get(id));
const add = (id: string, by: number): BatchedWrite => {
  return { kind: 'update', id, mutations: [{ kind: 'increment', path: ['n'], by }] };
};
const refused = async (batch: Promise<unknown>): Promise<ChordError> => {
  const error = await batch.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof ChordError) return error;
  throw new Error('it was not refused', { cause: error });
};

test('each kind of write does what it does alone', async (t) => {
  let now = 1000;
  const chord = await openChord({ backend: 'memory', clock: () => now });
  const { contexts } = chord;
  for (const id of ['update', 'revert', 'delete', 'touch']) await contexts.set(id, { n: 1 }, { ttl: 100 });
  await contexts.set('revert', { n: 2 });
  now += 50;
  const returning = { context: true, delta: true };
  const results = await contexts.batch([
    { kind: 'set', id: 'set', value: { n: 7 }, ttl: 30, returning },
    { ...add('update', 1), returning } as BatchedWrite,
    { kind: 'revert', id: 'revert', version: 1 },
    { kind: 'delete', id: 'delete' },
    { kind: 'touch', id: 'touch' },
    { kind: 'delete', id: 'missing', allowMissing: true },
    { kind: 'update', id: 'created', changes: { a: 1 }, mutations: [], allowMissing: true },
  ]);
  t.deepEqual(
    results.map(({ changed, position }) => [changed, position?.version]),
    [
      [true, 1],
      [true, 2],
      [true, 3],
      [true, 1],
      [false, 1],
      [false, undefined],
      [true, 1],
    ],
  );
  t.deepEqual(documentOf(results[0]!.view!), { n: 7 });
  t.is(results[1]!.delta!.to.version, 2);
  t.is(results[4]!.head!.expiry!.at, 1150);
  t.deepEqual(await read(chord, 'update'), { n: 2 });
  t.deepEqual(await read(chord, 'revert'), { n: 1 });
  t.deepEqual(await read(chord, 'created'), { a: 1 });
  t.is((await contexts.get('set')).head.expiry?.at, 1080);
  t.is((await refused(contexts.get('delete'))).reason, 'NOT_FOUND');
});

test('one write that is refused refuses all of them, and the error names it', async (t) => {
  const chord = await open();
  const { contexts, hub } = chord;
  for (const id of ['a', 'b', 'gone']) await contexts.set(id, { n: 0, text: 'x' });
  const { position } = await contexts.delete('gone');
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  const before = [...reader.log];
  const wrong: [BatchedWrite, Partial<ChordError>, string?][] = [
    [{ ...add('b', 1), expected: { kind: 'version', version: 2 } } as BatchedWrite, { reason: 'ABORTED' }],
    [{ kind: 'set', id: 'b', value: {}, expected: { kind: 'absent' } }, { reason: 'ABORTED' }],
    [
      { kind: 'set', id: 'gone', value: {}, expected: { kind: 'position', position: position! } },
      { reason: 'ABORTED' },
    ],
    [add('gone', 1), { reason: 'NOT_FOUND' }],
    [{ kind: 'touch', id: 'gone' }, { reason: 'NOT_FOUND' }],
    [{ kind: 'delete', id: 'gone' }, { reason: 'NOT_FOUND' }],
    [{ kind: 'revert', id: 'b', version: 7 }, { reason: 'NOT_FOUND' }],
    [
      { kind: 'update', id: 'b', mutations: [{ kind: 'append', path: ['text'], values: [1] }] },
      { reason: 'INVALID_ARGUMENT' },
      'writes[1].mutations[0].append',
    ],
    [{ kind: 'revert', id: 'b', version: 0 }, { reason: 'INVALID_ARGUMENT' }, 'writes[1].version'],
    [{ kind: 'set', id: 'b', value: {}, ttl: -1 }, { reason: 'INVALID_ARGUMENT' }, 'writes[1].ttl'],
    [{ kind: 'set', id: '', value: {} }, { reason: 'INVALID_ARGUMENT' }, 'writes[1].id'],
    [{ kind: 'touch', id: 'a' }, { reason: 'INVALID_ARGUMENT' }, 'writes[1].id'],
    [{ kind: 'set', id: 'b', value: { big: 'x'.repeat(4 << 20) } }, { reason: 'RESOURCE_EXHAUSTED' }],
  ];
  for (const [write, expected, field] of wrong) {
    const error = await refused(contexts.batch([add('a', 1), write, { kind: 'set', id: 'new', value: {} }]));
    t.like(error, expected);
    t.true(error.message.startsWith('writes[1]'), error.message);
    if (field) t.is(error.details.violations?.[0]?.field, field);
    else t.is(error.details.contextId, write.id);
  }
  t.is((await refused(contexts.batch([]))).details.violations?.[0]?.field, 'writes');
  const many = Array.from({ length: 101 }, (_, i): BatchedWrite => ({ kind: 'set', id: `${i}`, value: {} }));
  t.is((await refused(contexts.batch(many))).details.violations?.[0]?.field, 'writes');
  await reader.beat();
  t.deepEqual(reader.log.slice(before.length), ['heartbeat']);
  t.deepEqual(await read(chord, 'a'), { n: 0, text: 'x' });
  t.is((await contexts.get('a')).head.position.version, 1);
  await contexts.batch([add('a', 1), add('b', 1)]);
  t.deepEqual(await read(chord, 'a'), { n: 1, text: 'x' });
});

test('a batch changes so many bytes of documents and no more, however little it changes', async (t) => {
  const { contexts } = await open();
  const ids = Array.from({ length: 24 }, (_, i) => `${i}`);
  for (const id of ids) await contexts.set(id, { text: 'x'.repeat(2.9 * 2 ** 20) });
  const update = (id: string): BatchedWrite => ({ kind: 'update', id, changes: { n: 1 }, mutations: [] });
  const over = await refused(contexts.batch(ids.map(update)));
  t.is(over.reason, 'RESOURCE_EXHAUSTED');
  t.regex(over.message, /change documents of \d+ bytes in all, the limit is 67108864/);
  t.is((await contexts.get('0')).head.position.version, 1);
  await contexts.batch(ids.map((id) => ({ kind: 'touch', id })));
  await contexts.batch(ids.slice(0, 20).map(update));
  t.is((await contexts.get('19')).head.position.version, 2);
});

test('a batch may neither store nor return more than its limits', async (t) => {
  const { contexts } = await open();
  const big = (id: string, more = {}): BatchedWrite => {
    return { kind: 'set', id, value: { text: 'x'.repeat(2 << 20) }, ...more };
  };
  const stored = await refused(contexts.batch(Array.from({ length: 9 }, (_, i) => big(`${i}`))));
  t.is(stored.reason, 'RESOURCE_EXHAUSTED');
  t.regex(stored.message, /would store too many bytes of changes, the limit is 16777216/);
  const returning = { context: true };
  const returned = await refused(contexts.batch([big('0', { returning }), big('1', { returning })]));
  t.is(returned.reason, 'RESOURCE_EXHAUSTED');
  t.regex(returned.message, /would return 4\d+ bytes/);
  t.is((await contexts.list('')).heads.length, 0);
  await contexts.batch([big('0'), big('1', { returning })]);
  // All of them are due for a snapshot at once, which is more than one batch takes.
  for (let round = 0; round < 3; round++)
    await contexts.batch(
      Array.from({ length: 7 }, (_, i) => big(`${i}`, { value: { round, text: 'y'.repeat(1 << 20) } })),
    );
  t.is((await contexts.get('3')).head.position.version, 3);
});

test('a batch of large writes lets other work run between the writes', async (t) => {
  const { contexts } = await open();
  const value = (id: string, n: number) =>
    Object.fromEntries(Array.from({ length: 2400 }, (_, i) => [`${id}-${i}`, `${n}-${'x'.repeat(40)}`]));
  const sets = (n: number): BatchedWrite[] =>
    Array.from({ length: 10 }, (_, i) => ({ kind: 'set', id: `${i}`, value: value(`${i}`, n) }));
  t.true((await turnsOf(contexts.batch(sets(1)))) >= 3);
  // The last write is refused, and the others are taken back.
  const refusedBatch = contexts.batch([...sets(2), { kind: 'update', id: 'none', mutations: [] }]);
  t.true((await turnsOf(refused(refusedBatch))) >= 3);
  t.deepEqual(await Promise.all(sets(1).map(async ({ id }) => documentOf(await contexts.get(id)))), [
    ...sets(1).map((write) => (write as { value: JsonObject }).value),
  ]);
});

test('the contexts of a batch that are not in memory are loaded a few at a time', async (t) => {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  const writes = Array.from({ length: 40 }, (_, i) => add(`${i}`, 1));
  for (const { id } of writes) await contexts.set(id, { n: 0 });
  let inThisTurn = 0;
  let most = 0;
  const load = (id: string) => {
    if (inThisTurn++ === 0) setImmediate(() => (inThisTurn = 0));
    most = Math.max(most, inThisTurn);
    return store.load(id);
  };
  const cold = await openChord({ store: over(store, { load }) });
  await cold.contexts.batch(writes);
  t.is(most, 8);
  t.deepEqual(await read(cold, '39'), { n: 1 });
});

test('the reverts of a batch read so many bytes of deltas and no more', async (t) => {
  const { contexts } = await open();
  const ids = Array.from({ length: 16 }, (_, i) => `${i}`);
  for (const n of [1, 2]) for (const id of ids) await contexts.set(id, { text: `${n}`.repeat(1.2 * 2 ** 20) });
  const back = (id: string): BatchedWrite => ({ kind: 'revert', id, version: 1 });
  const over = await refused(contexts.batch(ids.map(back)));
  t.is(over.reason, 'RESOURCE_EXHAUSTED');
  t.regex(over.message, /^writes\[\d+\]: the reverts of the request would read more than 33554432 bytes of deltas/);
  await contexts.batch(ids.slice(0, 6).map(back));
  t.is((await contexts.get('5')).head.position.version, 3);
  t.is((await contexts.get('6')).head.position.version, 2);
});

test('a repeat answers what the first try did, and writes nothing', async (t) => {
  const { contexts } = await open();
  await contexts.set('a', { n: 0 });
  await contexts.set('b', { n: 0 });
  const returning = { context: true, delta: true };
  const batch = [
    { ...add('a', 1), returning } as BatchedWrite,
    { kind: 'delete' as const, id: 'b' },
    { kind: 'delete' as const, id: 'none', allowMissing: true },
  ];
  const first = await contexts.batch(batch, { requestId: 'r' });
  const [second, third] = await Promise.all([1, 2].map(() => contexts.batch(batch, { requestId: 'r' })));
  const plain = (results: typeof first) => results.map(({ position, changed }) => ({ position, changed }));
  t.deepEqual(plain(second!), plain(first));
  t.deepEqual(plain(third!), plain(first));
  t.deepEqual(documentOf(second![0]!.view!), { n: 1 });
  t.deepEqual(second![0]!.delta!.to, first[0]!.position);
  t.is((await refused(contexts.batch(batch.slice(0, 1), { requestId: 'r' }))).reason, 'INVALID_ARGUMENT');
  t.is((await refused(contexts.set('a', {}, { requestId: 'r' }) as Promise<unknown>)).reason, 'INVALID_ARGUMENT');
  await contexts.set('none', {});
  await contexts.batch(batch, { requestId: 'r' });
  t.is((await contexts.get('none')).head.position.version, 1);

  for (const write of [
    { kind: 'touch' as const, id: 'a' },
    { kind: 'delete' as const, id: 'x', allowMissing: true },
  ]) {
    const [result] = await contexts.batch([write, add('a2', 1)].slice(0, 1), { requestId: 'first' });
    const [again] = await contexts.batch([write], { requestId: 'first' });
    t.deepEqual(plain([again!]), plain([result!]));
  }
});

test('batches and single writes on the same contexts, in whatever order, lose nothing and never wait for ever', async (t) => {
  const chord = await open();
  const { contexts } = chord;
  const ids = ['a', 'b', 'c', 'd'];
  for (const id of ids) await contexts.set(id, { n: 0 });
  const work: Promise<unknown>[] = [];
  for (let i = 0; i < 400; i++) {
    const [x, y] = [ids[i % 4]!, ids[(i + 1 + (i % 3)) % 4]!];
    work.push(contexts.batch([add(x, 1), add(y, -1)]));
    work.push(contexts.update(x, { mutations: [{ kind: 'increment', path: ['single'], by: 1 }] }));
    if (i % 7 === 0) work.push(refused(contexts.batch([add(y, 1), { kind: 'touch', id: 'missing' }, add(x, 1)])));
    if (i % 50 === 0) await Promise.race(work);
  }
  await Promise.all(work);
  const documents = await Promise.all(ids.map((id) => read(chord, id)));
  t.is(
    documents.reduce((sum, { n }) => sum + (n as number), 0),
    0,
  );
  t.is(
    documents.reduce((sum, { single }) => sum + (single as number), 0),
    400,
  );
  const versions = await Promise.all(ids.map(async (id) => (await contexts.get(id)).head.position.version));
  t.is(
    versions.reduce((sum, version) => sum + version, 0),
    4 + 800 + 400,
  );
});

for (const fault of ['lost', 'unanswered'] as const) {
  test(`a batch whose act is ${fault} fails as a whole; readers and lanes go on from the store`, async (t) => {
    const { store, control } = controlled();
    const chord = await openChord({ store });
    const { contexts, hub } = chord;
    for (const id of ['a', 'b']) await contexts.set(id, { n: 0 });
    const reader = new Reader(['*']).open(contexts, hub);
    await reader.beat();
    control.held = true;
    const single = contexts.update('a', { mutations: [{ kind: 'increment', path: ['n'], by: 10 }] });
    const batch = refused(contexts.batch([add('a', 1), add('b', 1), { kind: 'set', id: 'c', value: {} }]));
    const behind = contexts.update('b', { mutations: [{ kind: 'increment', path: ['n'], by: 100 }] });
    control.faults = [fault];
    control.held = false;
    control.release();
    await single;
    t.is((await batch).reason, 'UNAVAILABLE');
    await behind;
    const happened = fault === 'unanswered' ? 1 : 0;
    t.deepEqual(await read(chord, 'a'), { n: 10 + happened });
    t.deepEqual(await read(chord, 'b'), { n: 100 + happened });
    await reader.beat();
    t.deepEqual(reader.copies.get('a')?.value, { n: 10 + happened });
    t.is(reader.copies.has('c'), happened === 1);
  });
}

test('readers get what was written as one in one go, also after a stall', async (t) => {
  const { contexts, hub } = await open();
  const wide = 'x'.repeat(200);
  for (const id of ['a', 'b', 'c', 'other']) await contexts.set(id, { wide, n: 0 });
  const all = new Reader(['*']).open(contexts, hub);
  const some = new Reader(['a', 'c']).open(contexts, hub);
  const one = new Reader(['b']).open(contexts, hub);
  for (const reader of [all, some, one]) await reader.beat();
  await contexts.batch([add('a', 1), add('b', 1), { kind: 'delete', id: 'c' }, { kind: 'set', id: 'd', value: {} }]);
  for (const reader of [all, some, one]) await reader.beat();
  t.deepEqual(all.groups, [['delta a 1-2', 'delta b 1-2', 'deleted deleted c 1', 'full initial d 1']]);
  t.deepEqual(some.groups, [['delta a 1-2', 'deleted deleted c 1']]);
  t.deepEqual(one.groups, []);
  t.is(one.log.at(-2), 'delta b 1-2');

  all.stalled = true;
  await contexts.batch([add('a', 1), add('b', 1)]);
  await contexts.update('a', { changes: { more: 1 } });
  await contexts.batch([add('b', 1), { kind: 'delete', id: 'd' }]);
  await contexts.update('other', { changes: { n: 1 } });
  all.resume();
  await all.beat();
  t.deepEqual(all.groups.slice(1), [['delta a 2-4', 'delta b 2-4', 'deleted deleted d 1']]);
  t.is(all.log.at(-2), 'delta other 1-2');
});

test('what expired before a batch is gone for it, and may be written anew', async (t) => {
  let now = 1000;
  const chord = await openChord({ backend: 'memory', clock: () => now });
  const { contexts } = chord;
  for (const id of ['a', 'b']) await contexts.set(id, { n: 1 }, { ttl: 10 });
  now += 20;
  t.is((await refused(contexts.batch([add('a', 1), add('b', 1)]))).reason, 'NOT_FOUND');
  const results = await contexts.batch([
    { kind: 'set', id: 'a', value: {} },
    { kind: 'delete', id: 'b', allowMissing: true },
  ]);
  t.deepEqual(
    results.map(({ changed }) => changed),
    [true, false],
  );
  t.is(results[0]?.position?.version, 1);
});

test('a store that writes one context at a time takes batches of one', async (t) => {
  const store = new Proxy(openMemory(), {
    get: (target, key) => {
      if (key === 'commitBatch') return undefined;
      const member = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  const chord = await openChord({ store });
  const { contexts } = chord;
  const error = await refused(
    contexts.batch([
      { kind: 'set', id: 'a', value: {} },
      { kind: 'set', id: 'b', value: {} },
    ]),
  );
  t.is(error.reason, 'FAILED_PRECONDITION');
  await contexts.batch([{ kind: 'set', id: 'a', value: { n: 1 } }]);
  t.deepEqual(await read(chord, 'a'), { n: 1 });
  t.is(
    (await refused(contexts.batch([{ kind: 'set', id: 'a', value: {}, expected: { kind: 'absent' } }]))).reason,
    'ABORTED',
  );
  await contexts.batch([{ kind: 'delete', id: 'a' }]);
  t.deepEqual(await contexts.batch([{ kind: 'delete', id: 'a', allowMissing: true }]), [{ changed: false }]);
});

test('beside other servers a batch is evaluated on what they wrote, and so is what it refuses', async (t) => {
  const { stores } = shared(2, () => 'lost');
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store })))) as [Engine, Engine];
  await a.contexts.set('x', { n: 0 });
  await a.contexts.set('y', { n: 0 });
  await read(b, 'x');
  await read(b, 'y');
  await a.contexts.update('x', { changes: { by: 'a' } });
  await b.contexts.batch([add('x', 1), add('y', 1)]);
  t.deepEqual(await read(a, 'x'), { n: 1, by: 'a' });
  await a.contexts.delete('y');
  t.is((await refused(b.contexts.batch([add('x', 1), add('y', 1)]))).reason, 'NOT_FOUND');
  await a.contexts.set('y', { n: 5 });
  // By what b knew, y does not exist.
  await b.contexts.batch([add('x', 1), add('y', 1)]);
  t.deepEqual(await read(a, 'y'), { n: 6 });
  // A write that changes nothing is a condition all the same.
  await a.contexts.set('y', { n: 7 });
  const [, second] = await b.contexts.batch([add('x', 1), { kind: 'set', id: 'y', value: { n: 6 } }]);
  t.true(second?.changed);
  const work = Array.from({ length: 200 }, (_, i) =>
    [a, b][i % 2]!.contexts.batch([add('x', 1), add('y', -1)].sort(() => (i % 3) - 1)),
  );
  await Promise.all(work);
  t.deepEqual([await read(a, 'x'), await read(b, 'y')], [{ n: 203, by: 'a' }, { n: -194 }]);
});
