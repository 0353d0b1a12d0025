/** The past: reads at an older version, and reverts to one. */
import test from 'ava';
import type { Position } from '../../src/gen/chord/v1/model.js';
import type { JsonObject } from '../../src/model/model.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, fold, type Peer, refused, samePosition, serve } from '../support/chord.js';
import { readHistories } from '../support/histories.js';

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const FAILED_PRECONDITION = 9;
const ABORTED = 10;

const DOCUMENTS: JsonObject[] = [
  { a: 1 },
  { a: 1, l: [1, 2, 3], o: { x: null } },
  { l: [1, 9, 3], o: { x: null, y: {} } },
  { l: 'text' },
  {},
  { ['__proto__']: 1, a: { b: [[]] } },
];

/** Writes the documents one after the other; answers where each left the context. */
async function write(peer: Peer, contextId: string, documents: readonly JsonObject[]): Promise<Position[]> {
  const positions: Position[] = [];
  for (const value of documents) positions.push((await peer.set({ contextId, value })).position!);
  return positions;
}

for (const backend of ['memory', 'lmdb'] as const) {
  test(`each retained version is read as it was: ${backend}`, async (t) => {
    const peer = connect(t, (await serve(t, { backend, dataDir: await temporaryDirectory(t) })).address);
    const positions = await write(peer, 'a', DOCUMENTS);
    for (const [i, value] of DOCUMENTS.entries()) {
      const { context } = await peer.get({ contextId: 'a', version: i + 1 });
      t.deepEqual(context!.value, value);
      t.true(samePosition(context!.position, positions[i]));
    }
    const { deltas } = await peer.deltas({ contextId: 'a' });
    const third = await peer.get({ contextId: 'a', version: 3 });
    t.deepEqual(third.context!.updatedAt, deltas[2]!.updatedAt);
  });
}

for (const backend of ['memory', 'lmdb'] as const) {
  test(`each time is read as it was: ${backend}`, async (t) => {
    let now = 1_000_000;
    const options = { backend, dataDir: await temporaryDirectory(t), clock: () => now };
    const chord = await serve(t, options);
    const peer = connect(t, chord.address);
    const at = (ms: number) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
    const versionAt = async (ms: number) => (await peer.get({ contextId: 'a', at: at(ms) })).context!.position!.version;
    const times: number[] = [];
    for (let n = 1; n <= 40; n++) {
      // Some versions of one millisecond, and a clock that is set back.
      now += n % 3 === 0 ? 0 : n % 7 === 0 ? -5 : 10;
      const { position } = await peer.set({ contextId: 'a', value: { n } });
      const { context } = await peer.get({ contextId: 'a' });
      times[position!.version] = context!.updatedAt!.seconds * 1000 + context!.updatedAt!.nanos / 1e6;
    }
    const expected = (ms: number) => times.findLastIndex((time) => time <= ms);
    for (let ms = times[1]!; ms <= times[40]! + 20; ms++) t.is(await versionAt(ms), expected(ms), `at ${ms}`);
    t.deepEqual((await peer.get({ contextId: 'a', at: at(times[20]!) })).context!.value, { n: expected(times[20]!) });
    t.is((await refused(peer.get({ contextId: 'a', at: at(times[1]! - 1) }))).code, NOT_FOUND);
    t.is((await refused(peer.get({ contextId: 'a', at: at(times[1]!), version: 1 }))).code, INVALID_ARGUMENT);
    t.is((await refused(peer.get({ contextId: 'a', at: { seconds: -1, nanos: 0 } }))).code, INVALID_ARGUMENT);

    await chord.contexts.trim('a', 30);
    for (let ms = times[1]!; ms <= times[40]!; ms++) {
      if (expected(ms) > 30) t.is(await versionAt(ms), expected(ms), `at ${ms}`);
      else t.is((await refused(peer.get({ contextId: 'a', at: at(ms) }))).code, FAILED_PRECONDITION, `at ${ms}`);
    }
  });
}

test('a version that never was, and one that is no longer retained', async (t) => {
  const chord = await serve(t);
  const peer = connect(t, chord.address);
  t.is((await refused(peer.get({ contextId: 'a', version: 1 }))).code, NOT_FOUND);
  t.is((await refused(peer.revert({ contextId: 'a', version: 1 }))).code, NOT_FOUND);
  await write(peer, 'a', DOCUMENTS);
  const above = await refused(peer.get({ contextId: 'a', version: 7 }));
  t.is(above.code, NOT_FOUND);
  t.is(above.message, '"a" has no version 7: the current version is 6');
  t.is((await refused(peer.revert({ contextId: 'a', version: 7 }))).code, NOT_FOUND);
  t.is((await refused(peer.revert({ contextId: 'a' }))).code, INVALID_ARGUMENT);

  await chord.contexts.trim('a', 3);
  for (const gone of [
    await refused(peer.get({ contextId: 'a', version: 3 })),
    await refused(peer.revert({ contextId: 'a', version: 2 })),
  ]) {
    t.is(gone.code, FAILED_PRECONDITION);
    t.regex(gone.message, /no longer retained; the oldest is 4/);
  }
  for (const version of [4, 5, 6]) {
    t.deepEqual((await peer.get({ contextId: 'a', version })).context!.value, DOCUMENTS[version - 1]!);
  }
  await peer.delete({ contextId: 'a' });
  await peer.set({ contextId: 'a', value: { new: true } });
  t.is((await refused(peer.get({ contextId: 'a', version: 4 }))).code, NOT_FOUND, 'of the present life only');
});

test('a revert is a write: a new version, a delta, a condition, an id', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const positions = await write(peer, 'a', DOCUMENTS);
  const returning = { context: true, delta: true, oldValues: true, format: '' };
  const stale = { condition: { $case: 'position' as const, value: positions[2]! }, checks: [] };
  t.is((await refused(peer.revert({ contextId: 'a', version: 2, expected: stale }))).code, ABORTED);

  const expected = { condition: { $case: 'position' as const, value: positions[5]! }, checks: [] };
  const request = { contextId: 'a', version: 2, expected, requestId: 'back', returning };
  const reverted = await peer.revert(request);
  t.true(reverted.changed);
  t.is(reverted.position!.version, 7);
  t.deepEqual(reverted.context!.value, DOCUMENTS[1]!);
  t.true(samePosition(reverted.delta!.from, positions[5]) && samePosition(reverted.delta!.to, reverted.position));
  t.deepEqual(await peer.document('a'), DOCUMENTS[1]!);
  t.deepEqual(fold((await peer.history('a')).deltas).value, DOCUMENTS[1]!);

  await peer.set({ contextId: 'a', value: { later: 1 } });
  t.true(samePosition((await peer.revert(request)).position, reverted.position), 'a repeat writes nothing');
  t.deepEqual(await peer.document('a'), { later: 1 });
  t.is((await refused(peer.revert({ ...request, version: 3 }))).code, INVALID_ARGUMENT);
  await peer.delete({ contextId: 'a' });
  t.true(samePosition((await peer.revert(request)).position, reverted.position), 'even when the context is gone');
});

test('a revert to where it stands changes nothing', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const [, second] = await write(peer, 'a', [{ a: 1 }, { a: 2 }]);
  const same = await peer.revert({ contextId: 'a', version: 2 });
  t.false(same.changed);
  t.true(samePosition(same.position, second));
});

test('reverts among concurrent writes: each leaves the document that it names, or is written over', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await write(peer, 'a', DOCUMENTS.slice(0, 3));
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0
        ? peer.revert({
            contextId: 'a',
            version: 1 + (i % 3),
            returning: { context: true, delta: false, oldValues: false, format: '' },
          })
        : peer.update({ contextId: 'a', changes: { [`k${i}`]: i } }),
    ),
  );
  answers.forEach((answer, i) => {
    if (i % 2 === 0) t.deepEqual(answer.context!.value, DOCUMENTS[i % 3]!);
  });
  const { deltas } = await peer.history('a');
  t.deepEqual(fold(deltas).value, await peer.document('a'));
  for (const answer of answers) {
    if (!answer.context) continue;
    const { version } = answer.position!;
    t.deepEqual((await peer.get({ contextId: 'a', version })).context!.value, answer.context.value);
  }
});

test('any version of a history', async (t) => {
  for (const { name, revisions } of readHistories()) {
    const chord = await serve(t, { deltaThreshold: 10_000 });
    const versions: number[] = [];
    for (const value of revisions)
      versions.push((await chord.contexts.set('a', structuredClone(value))).position!.version);
    const peer = connect(t, chord.address);
    for (let i = 0; i < revisions.length; i += 97) {
      t.deepEqual(
        (await peer.get({ contextId: 'a', version: versions[i]! })).context!.value,
        revisions[i]!,
        `${name} ${i}`,
      );
    }
  }
});
