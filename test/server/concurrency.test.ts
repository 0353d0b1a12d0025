/** Many writers of one context at once: nothing that was acknowledged is lost, nothing happens twice. */
import test, { type ExecutionContext } from 'ava';
import type { Mutation, Position } from '../../src/gen/chord/v1/model.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, fold, type Peer, refused, serve, watch } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ABORTED = 10;

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function set(path: string[], value: unknown): Mutation {
  return { path, operation: { $case: 'set', value } };
}

function increment(path: string[], by = 1): Mutation {
  return { path, operation: { $case: 'increment', value: by } };
}

function peers(t: ExecutionContext, address: string, count: number): Peer[] {
  return range(count).map(() => connect(t, address));
}

for (const backend of ['memory', 'lmdb'] as const) {
  test(`1,000 concurrent updates of 50 fields over 8 connections are all there (${backend})`, async (t) => {
    const { address } = await serve(t, { backend, dataDir: await temporaryDirectory(t) });
    const connections = peers(t, address, 8);
    await connections[0]!.set({ contextId: 'a', value: {} });
    const reader = watch(t, connections[0]!, { id: 'a' });
    await reader.caughtUp();

    const answers = await Promise.all(
      range(1000).map((i) =>
        connections[i % 8]!.update({ contextId: 'a', changes: { [`f${i % 50}`]: { [`w${Math.floor(i / 50)}`]: i } } }),
      ),
    );

    const versions = answers.map(({ position }) => position!.version).sort((a, b) => a - b);
    t.deepEqual(
      versions,
      range(1000).map((i) => i + 2),
    );
    const document = await connections[1]!.document('a');
    const expected = Object.fromEntries(
      range(50).map((f) => [`f${f}`, Object.fromEntries(range(20).map((w) => [`w${w}`, w * 50 + f]))]),
    );
    t.deepEqual(document, expected);
    const { deltas, truncated } = await connections[2]!.history('a');
    t.false(truncated);
    t.is(deltas.length, 1001);
    t.deepEqual(fold(deltas), { value: document, position: deltas.at(-1)!.to! });
    await reader.at('a', deltas.at(-1)!.to);
    t.deepEqual(reader.copies.get('a')!.value, document);
  });
}

test('concurrent increments add up, and each answer tells its own sum', async (t) => {
  const { address } = await serve(t);
  const connections = peers(t, address, 4);
  const answers = await Promise.all(
    range(400).map((i) =>
      connections[i % 4]!.update({
        contextId: 'a',
        allowMissing: true,
        mutations: [increment(['n']), increment(['deep', 'm'], 2)],
        returning: { context: true, delta: false, oldValues: false, format: '' },
      }),
    ),
  );
  for (const { context, position } of answers) {
    const { n, deep } = context!.value as { n: number; deep: { m: number } };
    t.deepEqual([n, deep.m, context!.position], [position!.version, 2 * position!.version, position]);
  }
  t.deepEqual(await connections[0]!.document('a'), { n: 400, deep: { m: 800 } });
});

test('of writers that expect the same position exactly one wins, and the others learn where it stands', async (t) => {
  const { address } = await serve(t);
  const connections = peers(t, address, 4);
  let at: Position | undefined;
  for (let round = 1; round <= 20; round++) {
    const expected = at
      ? { condition: { $case: 'position' as const, value: at }, checks: [] }
      : { condition: { $case: 'absent' as const, value: true }, checks: [] };
    const tries = range(10).map((i) => connections[i % 4]!.set({ contextId: 'a', value: { round, i }, expected }));
    const results = await Promise.allSettled(tries);
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    t.is(won.length, 1);
    at = won[0]!.position!;
    t.is(at.version, round);
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      t.like(await refused(tries[i]!), { code: ABORTED, reason: 'ABORTED', current: at });
    }
  }
});

test('concurrent repeats of one request write once, all answer the same, and nobody else suffers', async (t) => {
  const { address } = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t) });
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 0 } });
  const [other, ...answers] = await Promise.all([
    peer.update({ contextId: 'a', mutations: [increment(['other'])] }),
    ...range(300).map(() => peer.update({ contextId: 'a', mutations: [increment(['n'])], requestId: 'r' })),
    ...range(5).map(() => peer.update({ contextId: 'a', mutations: [increment(['other'])] })),
  ]);
  t.is(other.position!.version, 2);
  t.is(new Set(answers.slice(0, 300).map((answer) => JSON.stringify(answer))).size, 1);
  t.is(answers[0]!.position!.version, 3);
  t.deepEqual(await peer.document('a'), { n: 1, other: 6 });
});

test('a repeat in front of other writes takes nothing away from them', async (t) => {
  const { address } = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t) });
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 0 } });
  const repeat = { contextId: 'a', mutations: [increment(['n'])], requestId: 'r' };
  await peer.update(repeat);
  const [again, replaced, ...counted] = await Promise.all([
    peer.update(repeat),
    peer.set({ contextId: 'a', value: { box: { n: 0 } } }),
    ...range(3).map(() => peer.update({ contextId: 'a', mutations: [increment(['box', 'n'])] })),
  ]);
  t.is(again.position!.version, 2);
  t.deepEqual([replaced.changed, replaced.position!.version], [true, 3]);
  t.deepEqual(
    counted.map(({ position }) => position!.version),
    [4, 5, 6],
  );
  t.deepEqual(await peer.document('a'), { box: { n: 3 } });
  const { deltas } = await peer.history('a');
  t.deepEqual(fold(deltas).value, { box: { n: 3 } });
});

test('a repeat in front of a delete, or of a write that is changed at once, takes nothing away', async (t) => {
  const { address } = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t) });
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 0 } });
  const repeat = { contextId: 'a', mutations: [increment(['n'])], requestId: 'r' };
  await peer.update(repeat);
  await Promise.all([
    peer.update(repeat),
    peer.delete({ contextId: 'a' }),
    peer.set({ contextId: 'a', value: { box: { n: 0 } } }),
    ...range(3).map(() => peer.update({ contextId: 'a', mutations: [increment(['box', 'n'])] })),
    peer.update({ contextId: 'a', mutations: [set(['other'], { n: 0 })] }),
    ...range(3).map(() => peer.update({ contextId: 'a', mutations: [increment(['other', 'n'])] })),
  ]);
  t.deepEqual(await peer.document('a'), { box: { n: 3 }, other: { n: 3 } });
  const { deltas } = await peer.history('a');
  t.is(deltas.length, 8);
  t.deepEqual(fold(deltas).value, { box: { n: 3 }, other: { n: 3 } });
});

test('a request id is remembered: after a restart, after other writes, after a delete', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const first = await serve(t, { backend: 'lmdb', dataDir });
  const before = connect(t, first.address);
  const write = {
    contextId: 'a',
    value: { by: 'r' },
    requestId: 'r',
    returning: { context: true, delta: true, oldValues: false, format: '' },
  };
  const wrote = await before.set(write);
  t.deepEqual(await before.set(write), wrote);
  const overwritten = await before.set({ contextId: 'a', value: { by: 'other' } });
  t.deepEqual(await before.set(write), { ...wrote, context: undefined });
  t.deepEqual(await before.document('a'), { by: 'other' });
  await first.close();

  const peer = connect(t, (await serve(t, { backend: 'lmdb', dataDir })).address);
  t.deepEqual(await peer.set(write), { ...wrote, context: undefined });
  t.like(await refused(peer.set({ ...write, value: { by: 'r too' } })), {
    code: INVALID_ARGUMENT,
    fields: ['request_id'],
  });
  t.like(await refused(peer.update({ contextId: 'a', changes: { by: 'r' }, requestId: 'r' })), {
    fields: ['request_id'],
  });
  t.deepEqual(await peer.document('a'), { by: 'other' });

  const remove = { contextId: 'a', requestId: 'gone', allowMissing: true };
  const removed = await peer.delete(remove);
  t.deepEqual(removed, { position: overwritten.position, changed: true });
  t.deepEqual(await peer.delete(remove), removed);
  t.deepEqual(await peer.set(write), { ...wrote, context: undefined, delta: undefined });
  t.is((await refused(peer.get({ contextId: 'a' }))).code, NOT_FOUND);
  await peer.set({ contextId: 'a', value: { by: 'a new life' } });
  t.deepEqual(await peer.delete(remove), removed);
  t.deepEqual(await peer.document('a'), { by: 'a new life' });
});

test('a late repeat of a delete that found nothing takes nothing that was created since', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const remove = { contextId: 'a', requestId: 'none', allowMissing: true };
  t.deepEqual(await peer.delete(remove), { position: undefined, changed: false });
  await peer.set({ contextId: 'a', value: { n: 1 } });
  t.deepEqual(await peer.delete(remove), { position: undefined, changed: false });
  t.deepEqual(await peer.document('a'), { n: 1 });
  t.like(await refused(peer.delete({ ...remove, allowMissing: false })), { fields: ['request_id'] });
});

test('the order of members is no difference between two requests', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const wrote = await peer.set({ contextId: 'a', value: { x: { a: 1, b: 2 }, y: 3 }, requestId: 'r' });
  t.deepEqual(await peer.set({ contextId: 'a', value: { y: 3, x: { b: 2, a: 1 } }, requestId: 'r' }), wrote);
});

test('the two zeros make two requests', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await peer.set({ contextId: 'a', value: { n: 0 }, requestId: 'r' });
  const refusal = await refused(peer.set({ contextId: 'a', value: { n: -0 }, requestId: 'r' }));
  t.is(refusal.code, INVALID_ARGUMENT);
});

test('what has expired is gone for every reader, and watchers hear why', async (t) => {
  let now = 1_000_000;
  const { address, contexts } = await serve(t, { clock: () => now });
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 1 }, ttl: { seconds: 10, nanos: 0 } });
  await peer.set({ contextId: 'b', value: { n: 1 }, ttl: { seconds: 10, nanos: 0 } });
  const reader = watch(t, peer, { prefix: '' });
  await reader.caughtUp();

  now += 9_999;
  const { context } = await peer.touch({ contextId: 'a' });
  t.deepEqual(context!.expiresAt, { seconds: 1019, nanos: 999_000_000 });
  now += 1;
  t.is((await refused(peer.get({ contextId: 'b' }))).code, NOT_FOUND);
  await reader.until(() => reader.log.includes('deleted EXPIRED b'));
  t.deepEqual(
    (await peer.list({})).contexts.map(({ contextId }) => contextId),
    ['a'],
  );
  t.is((await refused(peer.touch({ contextId: 'b' }))).code, NOT_FOUND);
  t.is((await refused(peer.update({ contextId: 'b', changes: {} }))).code, NOT_FOUND);
  t.is((await refused(peer.sync({ contextId: 'b' }))).code, NOT_FOUND);

  const again = await peer.set({ contextId: 'b', value: { n: 2 }, ttl: { seconds: 1, nanos: 0 } });
  t.is(again.position!.version, 1);
  await reader.at('b', again.position);
  t.is(reader.log.at(-1), 'full INITIAL b');

  // A write begins the time anew; no time to live keeps it until it is deleted.
  now += 999;
  await peer.update({ contextId: 'b', changes: { n: 3 } });
  now += 999;
  await peer.update({ contextId: 'b', changes: { n: 4 }, ttl: { seconds: 0, nanos: 0 } });
  now += 1_000_000;
  t.deepEqual(await peer.document('b'), { n: 4 });
  // The sweeper may have removed it already.
  await contexts.expire('a');
  await reader.until(() => reader.log.includes('deleted EXPIRED a'));
});

test('a watcher that meets an expired context before anybody else hears that it expired', async (t) => {
  let now = 1_000_000;
  const { address } = await serve(t, { clock: () => now });
  const peer = connect(t, address);
  const { position } = await peer.set({ contextId: 'a', value: { n: 1 }, ttl: { seconds: 10, nanos: 0 } });
  now += 10_000;
  const fresh = watch(t, peer, { id: 'a' });
  const returning = watch(t, peer, { id: 'a' }, new Map([['a', position!]]));
  await Promise.all([fresh.caughtUp(), returning.caughtUp()]);
  t.deepEqual(fresh.log, ['absent a', 'caughtUp']);
  t.deepEqual(returning.log, ['absent a', 'caughtUp']);
});
