/** BatchWrite over gRPC: nobody sees half of one, whatever else goes on; and what its answers and refusals look like. */
import test from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { add, audit, BANK, create, openAccounts, remove, TOTAL, total, trade } from '../support/bank.js';
import { connect, type Peer, refused, serve } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ABORTED = 10;

for (const backend of ['memory', 'lmdb'] as const) {
  for (const cacheBytes of [64 << 20, 0]) {
    test(`${backend}, ${cacheBytes} bytes of cache: sums are never torn, for whoever watches and however slowly`, async (t) => {
      const dataDir = await temporaryDirectory(t);
      let chord = await serve(t, { backend, dataDir, cacheBytes });
      await openAccounts(connect(t, chord.address));
      for (let round = 0; round < (backend === 'lmdb' ? 2 : 1); round++) {
        const peers = Array.from({ length: 4 }, () => connect(t, chord.address));
        const audits = await Promise.all(peers.slice(0, 3).map((peer) => audit(peer)));
        let left = 250;
        const trades = peers.flatMap((peer, i) =>
          [0, 1, 2].map((j) => trade(peer, `${round}.${i}.${j}`, 1 + i * 3 + j, () => left-- > 0)),
        );
        // One reads now and then, and one comes late.
        const stop = setInterval(
          () => (left % 2 ? audits[2]!.reader.call.pause() : audits[2]!.reader.call.resume()),
          3,
        );
        const late = await audit(peers[3] as Peer);
        await Promise.all(trades);
        clearInterval(stop);
        audits[2]!.reader.call.resume();
        const { contexts } = await peers[0]!.list({ prefix: BANK, pageSize: 1000 });
        for (const { reader, wrong, shown } of [...audits, late]) {
          for (const { contextId, position } of contexts) await reader.at(contextId, position);
          t.deepEqual(wrong, []);
          t.true(shown.moments > 1);
          reader.cancel();
        }
        t.is(await total(peers[0] as Peer), TOTAL);
        if (backend === 'memory') continue;
        await chord.close();
        chord = await serve(t, { backend, dataDir, cacheBytes });
        t.is(await total(connect(t, chord.address)), TOTAL);
      }
    });
  }
}

test('what is returned, in the order of the writes, each in the form that it asks for', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await peer.batch({ writes: [create('a', 1), create('b', 2), create('c', 3)] });
  const returning = { context: true, delta: true, oldValues: true, format: '' };
  const ofA = add('a', 5);
  const ofB = add('b', 5);
  if (ofA.write?.$case === 'update') ofA.write.value.returning = returning;
  if (ofB.write?.$case === 'update') ofB.write.value.returning = { ...returning, context: false, format: 'json_patch' };
  const touch = {
    write: { $case: 'touch' as const, value: { contextId: 'd', ttl: { seconds: 60, nanos: 0 }, paths: [] } },
  };
  await peer.set({ contextId: 'd', value: {} });
  const { results } = await peer.batch({ writes: [ofB, touch, remove('c'), ofA] });
  t.like(results[0], { changed: true, context: undefined });
  t.deepEqual(results[0]!.delta!.formatted, [
    { op: 'test', path: '/balance', value: 2 },
    { op: 'replace', path: '/balance', value: 7 },
  ]);
  t.like(results[1], { changed: false, context: { contextId: 'd', value: undefined } });
  t.truthy(results[1]!.context!.expiresAt);
  t.like(results[2], { changed: true, position: { version: 1 } });
  t.deepEqual(results[3]!.context!.value!.balance, 6);
  t.is(results[3]!.delta!.changes[0]!.oldValue, 1);
  t.deepEqual(results[3]!.position, results[3]!.context!.position);
});

test('refusals name the write, its field and its context', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const made = await peer.batch({ writes: [create('a', 1)], requestId: 'r' });
  t.deepEqual(await peer.batch({ writes: [create('a', 1)], requestId: 'r' }), made);
  const missing = await refused(peer.batch({ writes: [add('a', 1), add('none', 1)] }));
  t.like(missing, { code: NOT_FOUND });
  t.regex(missing.message, /^writes\[1\]\.update: there is no context "none"/);
  const taken = await refused(peer.batch({ writes: [create('b', 1), create('a', 1)] }));
  t.like(taken, { code: ABORTED, current: made.results[0]!.position });
  const named = create('c', 1);
  if (named.write?.$case === 'set') named.write.value.requestId = 'mine';
  const fields = async (...writes: Parameters<typeof peer.batch>[0]['writes'] & object) => {
    const refusal = await refused(peer.batch({ writes }));
    t.is(refusal.code, INVALID_ARGUMENT);
    return refusal.fields;
  };
  t.deepEqual(await fields(add('a', 1), named), ['writes[1].set.request_id']);
  t.deepEqual(await fields(add('a', 1), { write: undefined }), ['writes[1]']);
  t.deepEqual(await fields(add('a', Number.POSITIVE_INFINITY)), ['writes[0].update.mutations[0].increment']);
  t.deepEqual(await fields(add('a', 1), remove('a')), ['writes[1].delete.context_id']);
  t.deepEqual(await fields(), ['writes']);
  t.is((await peer.get({ contextId: 'a' })).context!.position!.version, 1);
});
