/** Members that expire, over the wire: requests, answers, and what watchers receive. */
import test from 'ava';
import { Cause, type Delta } from '../../src/gen/chord/v1/model.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, type Peer, refused, serve } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const FAILED_PRECONDITION = 9;

const seconds = (count: number) => ({ seconds: count, nanos: 0 });
const set = (path: string[], value: unknown, ttl?: number) => ({
  path,
  operation: { $case: 'set' as const, value },
  ttl: ttl === undefined ? undefined : seconds(ttl),
});
const at = (...keys: string[]) => ({ keys });

async function create(peer: Peer, ttl = 1): Promise<void> {
  await peer.update({
    contextId: 'a',
    changes: { n: 1 },
    mutations: [set(['m', 'ann'], {}, ttl), set(['m', ''], true, 600)],
    allowMissing: true,
  });
}

test('a member removes itself within a second of its time, and watchers receive that with its cause', async (t) => {
  const chord = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t), minFreeBytes: 0 });
  const peer = connect(t, chord.address);
  const watch = peer.watch({
    subscriptions: [{ target: { $case: 'contextId', value: 'a' }, known: new Map(), paths: [] }],
  });
  t.teardown(() => watch.cancel());
  const began = Date.now();
  await create(peer);
  const expired = await new Promise<Delta>((resolve, reject) => {
    watch.on('error', reject);
    watch.on('data', ({ event }) => {
      if (event?.$case === 'delta' && event.value.provenance) resolve(event.value);
    });
  });
  t.true(Date.now() - began >= 1000, 'not before its time');
  t.like(expired, { to: { version: 2 }, provenance: { cause: Cause.EXPIRED } });
  t.deepEqual(await peer.document('a'), { n: 1, m: { '': true } });

  const { deltas } = await peer.deltas({ contextId: 'a' });
  t.deepEqual(
    deltas.map(({ provenance }) => provenance?.cause),
    [undefined, Cause.EXPIRED],
  );
  const known = deltas[0]!.to;
  const { result } = await peer.sync({ contextId: 'a', known });
  t.like(result, { $case: 'delta', value: { provenance: { cause: Cause.EXPIRED } } });
  await peer.update({ contextId: 'a', changes: { n: 2 } });
  const merged = await peer.sync({ contextId: 'a', known });
  t.is(merged.result?.$case === 'delta' && merged.result.value.provenance, undefined, 'merged deltas have none');
});

test('which members expire, and when, on request; TouchContext renews them and no more', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await create(peer, 300);
  const before = await peer.get({ contextId: 'a', includeExpiries: true });
  t.deepEqual(
    before.expiries.map(({ path }) => path?.keys),
    [
      ['m', ''],
      ['m', 'ann'],
    ],
  );
  t.deepEqual((await peer.get({ contextId: 'a' })).expiries, []);
  await peer.touch({ contextId: 'a', paths: [at('m', 'ann')], ttl: seconds(3000) });
  const after = await peer.get({ contextId: 'a', includeExpiries: true });
  t.deepEqual(after.expiries[0], before.expiries[0]);
  t.true(after.expiries[1]!.expiresAt!.seconds >= before.expiries[1]!.expiresAt!.seconds + 2700);
  t.deepEqual(after.context?.position, before.context?.position);
  t.is(after.context?.expiresAt, undefined, 'the context has no time to live');
  const batch = await peer.batch({
    writes: [{ write: { $case: 'touch', value: { contextId: 'a', ttl: seconds(9), paths: [at('m', '')] } } }],
  });
  t.deepEqual(batch.results[0]?.position, before.context?.position);
  t.false(batch.results[0]?.changed);
});

test('requests that cannot succeed name their field', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await create(peer);
  const update = (mutation: object) => refused(peer.update({ contextId: 'a', mutations: [mutation as never] }));
  for (const ttl of [{ seconds: 0, nanos: 999_000_000 }, seconds(365 * 86_400 + 1), seconds(-1)]) {
    const error = await update({ ...set(['x'], 1), ttl });
    t.is(error.code, INVALID_ARGUMENT);
    t.regex(error.message, /^mutations\[0\]\.ttl: must be between 1 second and 365 days$/);
  }
  const removal = await update({ path: ['x'], operation: { $case: 'remove', value: true }, ttl: seconds(2) });
  t.is(removal.message, 'mutations[0].ttl: is for set alone');
  const short = await refused(peer.touch({ contextId: 'a', paths: [at('m', 'ann')], ttl: seconds(0) }));
  t.is(short.message, 'ttl: must be between 1 second and 365 days');
  const empty = await refused(peer.touch({ contextId: 'a', paths: [at('m', 'ann'), at()] }));
  t.is(empty.message, 'paths[1].keys: must name at least one key');
  const missing = await refused(peer.touch({ contextId: 'a', paths: [at('n')] }));
  t.is(missing.code, FAILED_PRECONDITION);
  t.is(missing.message, 'paths[0]: ["n"] does not expire, or has expired');
  const past = await refused(peer.get({ contextId: 'a', version: 1, includeExpiries: true }));
  t.is(past.message, 'include_expiries: is for the current version alone');
});
