/** Who wrote a version, over the wire: it is what authentication gave, and never what a client says. */
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import test from 'ava';
import { ContextServiceService, SetContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { type UnmetCondition, UnmetConditions } from '../../src/gen/chord/v1/errors.js';
import { Cause, type Delta, Provenance } from '../../src/gen/chord/v1/model.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import { ALL, guarded } from '../support/access.js';
import { bytesOf, connect, type Peer, refused, serve, watch } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const contextId = 'a';
const rules = { ann: { '': ALL }, bob: { '': ALL } };

const said = (author: string, annotations: Record<string, string> = {}) => ({
  cause: Cause.UNSPECIFIED,
  author,
  annotations: new Map(Object.entries(annotations)),
});

async function provenances(peer: Peer, id = contextId): Promise<(Provenance | undefined)[]> {
  return (await peer.history(id)).deltas.map(({ provenance }) => provenance);
}

test('each version has its author and annotations, however it was written and is read', async (t) => {
  const { as, tokens } = await guarded(t, rules);
  const [ann, bob] = [as(tokens.ann), as(tokens.bob)];
  const reader = watch(t, bob, { prefix: '' });
  await reader.caughtUp();
  const note = (value: string) => new Map([['ticket', value]]);
  const { delta } = await ann.set({
    ...{ contextId, value: { n: 1, text: 'x'.repeat(500) }, annotations: note('1') },
    returning: { context: false, delta: true, oldValues: false, format: '' },
  });
  t.deepEqual(delta!.provenance, said('ann', { ticket: '1' }));
  await bob.update({ contextId, changes: { n: 2 } });
  await ann.batch({
    writes: [
      { write: { $case: 'update', value: update('a', { n: 3 }, note('2')) } },
      { write: { $case: 'update', value: update('b', { n: 1 }, new Map()) } },
    ],
  });
  await bob.revert({ contextId, version: 1, annotations: note('3') });
  const all = [said('ann', { ticket: '1' }), said('bob'), said('ann', { ticket: '2' }), said('bob', { ticket: '3' })];
  t.deepEqual(await provenances(ann), all);
  t.deepEqual(await provenances(ann, 'b'), [said('ann')]);
  const { result } = await ann.sync({ contextId, known: (await deltaTo(ann, 3)).to });
  t.deepEqual((result!.value as Delta).provenance, all[3]);
  const merged = await ann.sync({ contextId, known: (await deltaTo(ann, 2)).to });
  t.is((merged.result!.value as Delta).provenance, undefined, 'of several versions');

  const unchanged = { since: delta!.to, paths: [{ keys: ['n'] }] };
  const expected = { condition: { $case: 'unchanged' as const, value: unchanged }, checks: [] };
  const unmet = await unmetOf(ann.update({ contextId, changes: { n: 9 }, expected }));
  t.deepEqual(
    unmet.map(({ cause, author }) => [cause!.value, author]),
    [[4, 'bob']],
  );
  await reader.until(() => reader.log.includes('delta a 3-4'));
});

async function unmetOf(write: Promise<unknown>): Promise<UnmetCondition[]> {
  const error: ServiceError = await write.then(
    () => Promise.reject(new Error('it was not refused')),
    (reason) => reason,
  );
  const [bytes] = error.metadata.get('grpc-status-details-bin') as Buffer[];
  const any = Status.decode(bytes!).details.find(({ typeUrl }) => typeUrl.endsWith('/chord.v1.UnmetConditions'));
  return UnmetConditions.decode(any!.value).conditions;
}

const deltaTo = async (peer: Peer, version: number) => (await peer.history(contextId)).deltas[version - 1]!;

const update = (id: string, changes: object, annotations: Map<string, string>) => ({
  ...{ contextId: id, changes, mutations: [], allowMissing: true, expected: undefined, requestId: '' },
  ...{ ttl: undefined, returning: undefined, annotations },
});

test('a client cannot claim to be another author', async (t) => {
  const { as, tokens } = await guarded(t, rules);
  const ann = as(tokens.ann);
  for (const name of ['author', 'identity', 'x-author', 'x-identity', 'x-forwarded-user', 'user']) {
    ann.metadata.set(name, 'bob');
  }
  const annotations = new Map([
    ['author', 'bob'],
    ['cause', 'expired'],
    ['2', 'bob'],
  ]);
  const request = bytesOf(ContextServiceService.setContext, { contextId, value: { n: 1 }, annotations });
  // A whole provenance, and a text, under numbers that the request does not have.
  const claim = Provenance.encode({ cause: Cause.EXPIRED, author: 'bob', annotations: new Map() }).finish();
  const claims = [8, 9, 100].flatMap((field) => [tag(field), Buffer.from([claim.length]), claim]);
  await ann.raw(ContextServiceService.setContext, Buffer.concat([request, ...claims]));
  // In the annotations: an entry of the map with further fields.
  const entry = Buffer.from([0x0a, 1, 0x61, 0x12, 1, 0x62, 0x1a, 3, ...Buffer.from('bob')]);
  const bare = SetContextRequest.encode({ ...plain, value: { n: 2 } }).finish();
  const framed = Buffer.concat([bare, Buffer.from([0x3a, entry.length]), entry]);
  await ann.raw(ContextServiceService.setContext, framed);
  t.deepEqual(await provenances(ann), [
    said('ann', { '2': 'bob', author: 'bob', cause: 'expired' }),
    said('ann', { a: 'b' }),
  ]);
});

const tag = (field: number) =>
  field < 16 ? Buffer.from([(field << 3) | 2]) : Buffer.from([((field << 3) & 0x7f) | 0x82, field >> 4]);
const plain = {
  ...{ contextId, expected: undefined, requestId: '', ttl: undefined, returning: undefined, annotations: new Map() },
};

test('without authentication no version has an author, and one without annotations no provenance', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  peer.metadata.merge(metadata({ authorization: 'Bearer whatever' }));
  await peer.set({ contextId, value: { n: 1 } });
  await peer.set({ contextId, value: { n: 2 }, annotations: new Map([['by', 'me']]) });
  t.deepEqual(await provenances(peer), [undefined, said('', { by: 'me' })]);
});

function metadata(entries: Record<string, string>): Metadata {
  const made = new Metadata();
  for (const [key, value] of Object.entries(entries)) made.set(key, value);
  return made;
}

test("members that expire are nobody's change", async (t) => {
  const { as, tokens } = await guarded(t, rules);
  const ann = as(tokens.ann);
  const mutations = [{ path: ['m'], operation: { $case: 'set' as const, value: 1 }, ttl: { seconds: 1, nanos: 0 } }];
  const reader = watch(t, ann, { id: contextId });
  await ann.update({ contextId, changes: { n: 1 }, mutations, allowMissing: true });
  await reader.until(() => reader.copies.get(contextId)?.position.version === 2);
  t.deepEqual(await provenances(ann), [said('ann'), { ...said(''), cause: Cause.EXPIRED }]);
});

test('annotations over a limit are refused, and so is a repeat with others', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const set = (annotations: Map<string, string>, requestId = '') =>
    peer.set({ contextId, value: { n: 1 }, annotations, requestId });
  for (const [annotations, message] of [
    [new Map([['a', 'x'.repeat(1100)]]), /annotations: take 11\d\d bytes, the limit is 1024/],
    [new Map([['', 'x']]), /annotations: have an empty key/],
    [new Map(Array.from({ length: 33 }, (_, i) => [`${i}`, ''])), /annotations/],
  ] as const) {
    const refusal = await refused(set(annotations));
    t.is(refusal.code, INVALID_ARGUMENT);
    t.regex(refusal.message, message);
  }
  const first = await set(
    new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
    'r',
  );
  t.deepEqual(
    (
      await set(
        new Map([
          ['b', '2'],
          ['a', '1'],
        ]),
        'r',
      )
    ).position,
    first.position,
  );
  t.is((await refused(set(new Map([['a', '2']]), 'r'))).code, INVALID_ARGUMENT);
  t.is((await refused(set(new Map(), 'r'))).code, INVALID_ARGUMENT);
});
