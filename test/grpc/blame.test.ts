/** Blame over the wire: whose each part of a document is, and what a request may ask. */
import test from 'ava';
import { Cause } from '../../src/gen/chord/v1/model.js';
import type { BlameLine } from '../../src/gen/chord/v1/sync_service.js';
import { ALL, guarded } from '../support/access.js';
import { connect, refused, serve, watch } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const contextId = 'a';

const brief = ({ path, run, value, version, provenance }: BlameLine) => {
  const by = provenance?.cause === Cause.EXPIRED ? 'expired' : provenance?.author;
  const place = run ? [`${run.index}+${run.count}`] : [];
  return [path!.keys.join('.'), ...place, value, version, by, Object.fromEntries(provenance?.annotations ?? [])];
};

test("each part has its author, a revert is the reverter's, and what expired is nobody's", async (t) => {
  const { as, tokens } = await guarded(t, { ann: { '': ALL }, bob: { '': ALL } });
  const [ann, bob] = [as(tokens.ann), as(tokens.bob)];
  const annotations = new Map([['ticket', '7']]);
  const value = { n: 1, text: 'abc', list: [1, 2], m: { gone: 1 } };
  await ann.set({ contextId, value, annotations });
  const splice = { index: 1, removeCount: 1, insert: ['x'] };
  await bob.update({
    contextId,
    changes: { n: 2 },
    mutations: [
      { path: ['text'], operation: { $case: 'appendText', value: 'd𝄞' } },
      { path: ['list'], operation: { $case: 'splice', value: splice } },
    ],
  });
  const reader = watch(t, ann, { id: contextId });
  const ttl = { seconds: 1, nanos: 0 };
  await ann.update({ contextId, mutations: [{ path: ['m', 'gone'], operation: { $case: 'set', value: 2 }, ttl }] });
  await reader.until(() => reader.copies.get(contextId)?.position.version === 4);
  const page = await ann.blame({ contextId });
  t.is(page.position!.version, 4);
  t.is(page.olderThan, 0);
  t.deepEqual(page.lines.map(brief), [
    ['list', '0+1', [1], 1, 'ann', { ticket: '7' }],
    ['list', '1+1', ['x'], 2, 'bob', {}],
    ['m', {}, 4, 'expired', {}],
    ['n', 2, 2, 'bob', {}],
    ['text', '0+3', 'abc', 1, 'ann', { ticket: '7' }],
    ['text', '3+2', 'd𝄞', 2, 'bob', {}],
  ]);
  t.truthy(page.lines[0]!.updatedAt);
  await ann.revert({ contextId, version: 1 });
  const { lines } = await bob.blame({ contextId, paths: [{ keys: ['n'] }, { keys: ['m'] }, { keys: ['none'] }] });
  t.deepEqual(lines.map(brief), [
    ['m.gone', 1, 5, 'ann', {}],
    ['n', 1, 5, 'ann', {}],
  ]);
});

test('what is older than the retained deltas has no version, and says so', async (t) => {
  const chord = await serve(t);
  const peer = connect(t, chord.address);
  await peer.set({ contextId, value: { old: 1, n: 1 } });
  for (let n = 2; n < 9; n++) await peer.set({ contextId, value: { old: 1, n } });
  const dropped = await chord.contexts.trim(contextId, 5);
  t.true(dropped > 0);
  const { lines, olderThan } = await peer.blame({ contextId });
  t.is(olderThan, dropped + 1);
  t.deepEqual(
    lines.map(({ path, version, updatedAt, provenance }) => [path!.keys[0], version, updatedAt?.seconds, provenance]),
    [
      ['n', 8, lines[0]!.updatedAt!.seconds, undefined],
      ['old', 0, undefined, undefined],
    ],
  );
});

test('a page ends at its bytes, and a long run comes whole', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const value = { a: 'x'.repeat(700_000), b: 'y'.repeat(700_000), c: Array.from({ length: 1000 }, () => 1) };
  await peer.set({ contextId, value });
  const first = await peer.blame({ contextId });
  t.deepEqual(
    first.lines.map(({ path }) => path!.keys[0]),
    ['a'],
  );
  const second = await peer.blame({ contextId, pageToken: first.nextPageToken });
  t.deepEqual(
    second.lines.map(({ path, run }) => [path!.keys[0], run!.count]),
    [
      ['b', 700_000],
      ['c', 1000],
    ],
  );
  t.is(second.nextPageToken, '');
});

test('requests that cannot be answered are refused', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  t.is((await refused(peer.blame({ contextId }))).code, NOT_FOUND);
  await peer.set({ contextId, value: {} });
  t.deepEqual((await peer.blame({ contextId })).lines.map(brief), [['', {}, 1, undefined, {}]]);
  const many = Array.from({ length: 1001 }, () => ({ keys: ['a'] }));
  for (const request of [{ pageSize: 1001 }, { paths: [{ keys: [] }] }, { paths: many }, { pageToken: 'x' }]) {
    t.is((await refused(peer.blame({ contextId, ...request }))).code, INVALID_ARGUMENT, JSON.stringify(request));
  }
});
