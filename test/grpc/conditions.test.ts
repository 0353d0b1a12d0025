/** Conditions on the wire: what a refusal says, and what the messages may hold. */
import type { ServiceError } from '@grpc/grpc-js';
import test from 'ava';
import { UnmetConditions } from '../../src/gen/chord/v1/errors.js';
import { type Check, type Expected, FullReason, type Position } from '../../src/gen/chord/v1/model.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import { connect, type Peer, refused, serve } from '../support/chord.js';

const contextId = 'a';
const path = (...keys: string[]) => ({ keys });
const unchanged = (since: Position | undefined, ...paths: string[][]): Expected => {
  return { condition: { $case: 'unchanged', value: { since, paths: paths.map((keys) => ({ keys })) } }, checks: [] };
};
const checked = (...checks: Check[]): Expected => ({ condition: undefined, checks });

async function unmet(write: Promise<unknown>): Promise<{ unmet: UnmetConditions; trailer: number; message: string }> {
  const error: ServiceError = await write.then(
    () => Promise.reject(new Error('it was not refused')),
    (reason) => reason,
  );
  const [bytes] = error.metadata.get('grpc-status-details-bin') as Buffer[];
  const any = Status.decode(bytes!).details.find(({ typeUrl }) => typeUrl.endsWith('/chord.v1.UnmetConditions'));
  return { unmet: UnmetConditions.decode(any!.value), trailer: bytes!.length, message: error.details };
}

const every = (peer: Peer, expected: Expected) => [
  peer.set({ contextId, value: {}, expected }),
  peer.update({ contextId, expected }),
  peer.revert({ contextId, version: 1, expected }),
  peer.delete({ contextId, expected }),
];

test('each write names what does not hold, and writes nothing', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const { position } = await peer.set({ contextId, value: { x: 1, stock: 0 } });
  const { position: current } = await peer.update({ contextId, changes: { x: 2 } });
  for (const write of every(peer, unchanged(position, ['x'], ['y']))) {
    const refusal = await unmet(write);
    t.deepEqual(refusal.unmet, {
      contextId,
      current,
      sinceReason: FullReason.UNSPECIFIED,
      conditions: [{ path: path('x'), cause: { $case: 'touchedAt', value: 2 }, author: '' }],
    });
    t.is(refusal.message, '"a": version 2 changed ["x"]');
  }
  const check: Check = { path: path('stock'), test: { $case: 'atLeast', value: 1 } };
  for (const write of every(peer, checked(check))) {
    const refusal = await unmet(write);
    t.deepEqual(refusal.unmet.conditions, [{ path: check.path, cause: { $case: 'check', value: check }, author: '' }]);
    t.is(refusal.message, '"a": ["stock"] is no number of at least 1');
  }
  const ahead = await unmet(peer.update({ contextId, expected: unchanged({ ...current!, version: 9 }) }));
  t.is(ahead.unmet.sinceReason, FullReason.AHEAD);
  t.deepEqual((await peer.get({ contextId })).context!.position, current);
});

test('a refusal fits into the trailers of every client, however much does not hold', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await peer.set({ contextId, value: {} });
  const long = (i: number) => `${'k'.repeat(500)}${i}`;
  const checks = Array.from({ length: 100 }, (_, i): Check => {
    return { path: path(long(i)), test: { $case: 'equals', value: i === 0 ? 'v'.repeat(100_000) : i } };
  });
  const { unmet: named, trailer, message } = await unmet(peer.update({ contextId, expected: checked(...checks) }));
  t.true(trailer < 5000, `${trailer} bytes`);
  t.true(named.conditions.length > 1);
  t.deepEqual(named.conditions[0]!.cause!.value, { path: checks[0]!.path, test: undefined }, 'without its value');
  t.true(message.endsWith('a path of 1 keys has another value than the check names, and 99 more'));
});

test('conditions that say nothing, or too much, are refused with their field', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const field = async (expected: Expected) => (await refused(peer.set({ contextId, value: {}, expected }))).fields;
  const check: Check = { path: path('x'), test: { $case: 'exists', value: true } };
  t.deepEqual(await field({ condition: undefined, checks: [] }), ['expected']);
  t.deepEqual(await field(unchanged(undefined)), ['expected.unchanged.since']);
  t.deepEqual(await field(checked({ ...check, path: undefined })), ['expected.checks[0].path']);
  t.deepEqual(await field(checked({ ...check, test: undefined })), ['expected.checks[0]']);
  t.deepEqual(await field(checked({ ...check, test: { $case: 'atLeast', value: Number.NaN } })), [
    'expected.checks[0].at_least',
  ]);
  t.deepEqual(await field(checked(...Array(1001).fill(check))), ['expected.checks']);
  const position = { epoch: '', version: 1, digest: '' };
  t.deepEqual(await field(unchanged(position, ...Array(1100).fill(['path']))), ['expected.unchanged.paths']);
});
