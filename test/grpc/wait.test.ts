/** WaitContext on the wire: what it answers, how it ends, and what is left of it. */
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import type { Check } from '../../src/gen/chord/v1/model.js';
import { SyncServiceService, type WaitContextResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject } from '../../src/model/model.js';
import type { Chord, ChordOptions } from '../../src/server/app.js';
import { bytesOf, connect, follow, type Peer, refused, serve } from '../support/chord.js';
import { until as comesTrue } from '../support/until.js';

const METHOD = SyncServiceService.waitContext;
type Request = Parameters<typeof METHOD.requestSerialize>[0];

async function start(t: ExecutionContext, options: ChordOptions = {}): Promise<{ chord: Chord; peer: Peer }> {
  const chord = await serve(t, options);
  return { chord, peer: connect(t, chord.address) };
}

/** A wait with an own deadline, or none; `cancel` as a client does. */
function wait(peer: Peer, request: Partial<Request>, deadline?: number) {
  let cancel = () => {};
  const answer = new Promise<WaitContextResponse>((resolve, reject) => {
    const call = peer.client.makeUnaryRequest(
      METHOD.path,
      (bytes: Buffer) => bytes,
      METHOD.responseDeserialize,
      bytesOf(METHOD, { contextId: 'a', ...request }),
      peer.metadata,
      deadline === undefined ? {} : { deadline: Date.now() + deadline },
      (error, value) => (error ? reject(error) : resolve(value!)),
    );
    cancel = () => call.cancel();
  });
  return { answer, cancel };
}

const equals = (value: unknown, ...keys: string[]): Check => {
  return { path: { keys }, test: { $case: 'equals', value: value as never } };
};
const until = [equals('done', 'state')];
/** Resolves when the server waits for the context. */
async function begun({ hub }: Chord, count = 1): Promise<void> {
  await comesTrue(() => hub.watchersOf('a') >= count);
}

test('the answer is that of a sync, as soon as the checks hold', async (t) => {
  const { chord, peer } = await start(t);
  const first = wait(peer, { until });
  await begun(chord);
  const { position } = await peer.set({ contextId: 'a', value: { state: 'new', wide: 'x'.repeat(500) } });
  const second = wait(peer, { until, known: position, includeOldValues: true });
  const third = wait(peer, { until, known: position, paths: [{ keys: ['state'] }], format: 'flat' });
  await begun(chord, 3);
  await peer.set({ contextId: 'a', value: { state: 'done', wide: 'x'.repeat(500) } });
  const full = await first.answer;
  const { context } = await peer.get({ contextId: 'a' });
  t.is(full.heldAt, 2);
  t.deepEqual(full.result!.$case === 'full' && full.result!.value.context, context);
  const { result } = await second.answer;
  if (result?.$case !== 'delta') throw new Error('no delta');
  t.is(result.value.changes[0]!.oldValue, 'new');
  const copy = { value: { state: 'new', wide: 'x'.repeat(500) } as JsonObject, position: position! };
  t.deepEqual(follow(copy, result.value).value, context!.value as JsonObject);
  const flat = await third.answer;
  const synced = await peer.sync({ contextId: 'a', known: position, paths: [{ keys: ['state'] }], format: 'flat' });
  t.is(synced.result!.$case, 'delta');
  t.deepEqual(flat.result, synced.result);
  const none = await wait(peer, { until, known: context!.position }).answer;
  t.deepEqual(none.result, { $case: 'noChange', value: { position: context!.position } });
  t.is(chord.hub.watched, 0);
});

test('with a position, a version since counts that later ones have changed back', async (t) => {
  const { peer } = await start(t);
  const wide = 'x'.repeat(500);
  const { position } = await peer.set({ contextId: 'a', value: { state: 'new', wide } });
  for (const state of ['done', 'gone']) await peer.set({ contextId: 'a', value: { state, wide } });
  const { heldAt, result } = await wait(peer, { until, known: position }).answer;
  t.is(heldAt, 2);
  t.is(result!.$case === 'delta' ? result!.value.to!.version : 0, 2, 'what the client lacks of that version');
  t.is((await refused(wait(peer, { until }, 50).answer)).code, status.DEADLINE_EXCEEDED);
});

test('a deadline and the stop of the server end a wait, and nothing is left of it', async (t) => {
  const { chord, peer } = await start(t);
  t.is((await refused(wait(peer, { until }, 50).answer)).code, status.DEADLINE_EXCEEDED);
  await comesTrue(() => chord.hub.watched === 0);
  const { answer, cancel } = wait(peer, { until });
  await begun(chord);
  cancel();
  t.is((await refused(answer)).code, status.CANCELLED);
  await comesTrue(() => chord.hub.watched === 0);
  const stopped = wait(peer, { until });
  await begun(chord);
  const closing = chord.close();
  t.like(await refused(stopped.answer), { code: status.UNAVAILABLE, message: 'the server shuts down' });
  await closing;
  t.is(chord.hub.watched, 0);
});

test('a wait counts as a stream in quotas, and not as a call under way', async (t) => {
  const { chord, peer } = await start(t, { connectionQuotas: { streams: 2, calls: 1 }, maxInFlight: 1 });
  const waits = [wait(peer, { until }), wait(peer, { until })];
  await begun(chord, 2);
  t.like(await refused(wait(peer, { until }).answer), { reason: 'RESOURCE_EXHAUSTED', info: { quota: 'streams' } });
  await peer.set({ contextId: 'a', value: { state: 'done' } });
  t.deepEqual(await Promise.all(waits.map(async ({ answer }) => (await answer).heldAt)), [1, 1]);
});

test('a wait that can never be answered is refused', async (t) => {
  const { peer } = await start(t);
  const refusal = async (request: Partial<Request>) => {
    const { reason, fields } = await refused(wait(peer, request).answer);
    return [reason, ...fields];
  };
  t.deepEqual(await refusal({ until: [] }), ['INVALID_ARGUMENT', 'until']);
  t.deepEqual(await refusal({ until, contextId: '' }), ['INVALID_ARGUMENT', 'context_id']);
  t.deepEqual(await refusal({ until: [{ path: undefined, test: until[0]!.test }] }), [
    'INVALID_ARGUMENT',
    'until[0].path',
  ]);
  t.deepEqual(await refusal({ until: [{ path: { keys: ['a'] }, test: undefined }] }), ['INVALID_ARGUMENT', 'until[0]']);
  t.deepEqual(await refusal({ until: Array(101).fill(until[0]) }), ['INVALID_ARGUMENT', 'until']);
  t.deepEqual(await refusal({ until, format: 'other' }), ['INVALID_ARGUMENT', 'format']);
  t.deepEqual(await refusal({ until: [equals('x'.repeat(300_000), 'a')] }), ['RESOURCE_EXHAUSTED']);
});
