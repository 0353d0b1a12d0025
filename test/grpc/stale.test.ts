/** Clients that know something else than the server: a document with its reason wherever a delta would not be exactly right. */
import test, { type ExecutionContext } from 'ava';
import type { Delta, Position } from '../../src/gen/chord/v1/model.js';
import type { ChordOptions } from '../../src/server/app.js';
import { openMemory } from '../../src/store/memory.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { type Copy, connect, follow, type Peer, reasonOf, refused, serve, watch } from '../support/chord.js';

const NOT_FOUND = 5;
const CONTEXT = { contextId: 'a' };

async function start(t: ExecutionContext, options: ChordOptions = {}): Promise<Peer> {
  return connect(t, (await serve(t, { deltaThreshold: 10, ...options })).address);
}

/** Writes versions 1 to `count`: { n: 1 } to { n: count }, in a document that outweighs its deltas. Answers all positions, from version 1 on. */
async function writeVersions(peer: Peer, count: number, from = 1): Promise<Position[]> {
  const positions: Position[] = [];
  for (let n = from; n < from + count; n++) {
    const { position } = await peer.set({ ...CONTEXT, value: { n, ballast: 'b'.repeat(500) } });
    positions.push(position!);
  }
  return positions;
}

function without(position: Position, ...fields: ('epoch' | 'digest')[]): Position {
  return { ...position, ...Object.fromEntries(fields.map((field) => [field, ''])) };
}

/** What a client at `known` gets, in words: both calls must say the same, and lead to the server's state. */
async function told(t: ExecutionContext, peer: Peer, known: Position | undefined, copy?: Copy): Promise<string> {
  const { context } = await peer.get(CONTEXT);
  const { result } = await peer.sync({ ...CONTEXT, known });
  const reader = watch(t, peer, { id: 'a' }, new Map(known ? [['a', known]] : []));
  if (copy) reader.copies.set('a', copy);
  await reader.caughtUp();
  reader.cancel();
  const [word, ...more] = reader.log;
  if (result!.$case !== 'noChange') {
    t.deepEqual(more, ['caughtUp']);
    t.deepEqual(reader.copies.get('a'), { value: context!.value, position: context!.position });
  }
  switch (result!.$case) {
    case 'full':
      t.deepEqual(result!.value.context, context);
      t.is(word, `full ${reasonOf(result!.value.reason)} a`);
      return reasonOf(result!.value.reason);
    case 'delta': {
      t.is(word, `delta ${words(result!.value)}`);
      t.deepEqual(follow(copy!, result!.value), { value: context!.value, position: context!.position });
      return `delta ${words(result!.value)}`;
    }
    case 'noChange':
      t.deepEqual(result!.value.position, context!.position);
      t.is(word, 'caughtUp');
      return 'no change';
  }
}

function words({ contextId, from, to }: Delta): string {
  return `${contextId} ${from!.version}-${to!.version}`;
}

const OTHER = 'zzzzzzzz';

for (const backend of ['memory', 'lmdb'] as const) {
  test(`each client gets what it lacks, or the document with the reason (${backend})`, async (t) => {
    const peer = await start(t, { backend, dataDir: await temporaryDirectory(t) });
    const all = await writeVersions(peer, 20);
    const at = (version: number) => all[version - 1]!;
    const copyAt = (version: number) => ({ value: { n: version, ballast: 'b'.repeat(500) }, position: at(version) });

    t.is(await told(t, peer, undefined), 'INITIAL');
    t.is(await told(t, peer, { epoch: '', version: 0, digest: '' }), 'INITIAL');
    t.is(await told(t, peer, { ...at(20), epoch: OTHER }), 'EPOCH_CHANGED');
    t.is(await told(t, peer, { ...at(20), version: 21 }), 'AHEAD');
    t.is(await told(t, peer, { epoch: '', version: 21, digest: '' }), 'AHEAD');
    t.is(await told(t, peer, { ...at(20), digest: OTHER }), 'DIVERGED');
    t.is(await told(t, peer, { ...at(19), digest: OTHER }), 'DIVERGED');
    t.is(await told(t, peer, { ...at(11), digest: OTHER }), 'DIVERGED');
    t.is(await told(t, peer, at(9)), 'HISTORY_TRUNCATED');
    t.is(await told(t, peer, at(1)), 'HISTORY_TRUNCATED');
    t.is(await told(t, peer, at(20)), 'no change');
    t.is(await told(t, peer, at(19), copyAt(19)), 'delta a 19-20');
    t.is(await told(t, peer, at(10), copyAt(10)), 'delta a 10-20');
    t.is(await told(t, peer, without(at(20), 'epoch', 'digest')), 'no change');
    t.is(await told(t, peer, without(at(20), 'digest')), 'no change');
    t.is(await told(t, peer, without(at(15), 'epoch', 'digest'), copyAt(15)), 'delta a 15-20');
    t.is(await told(t, peer, without(at(15), 'epoch'), copyAt(15)), 'delta a 15-20');
    t.is(await told(t, peer, { ...without(at(15), 'epoch'), digest: OTHER }), 'DIVERGED');
    t.is(await told(t, peer, without(at(9), 'epoch', 'digest')), 'HISTORY_TRUNCATED');
  });

  test(`whoever knows an earlier life gets the new one, also at the same version (${backend})`, async (t) => {
    const peer = await start(t, { backend, dataDir: await temporaryDirectory(t) });
    const [, second, third] = await writeVersions(peer, 3);
    await peer.delete(CONTEXT);
    t.is((await refused(peer.sync({ ...CONTEXT, known: third }))).code, NOT_FOUND);
    const gone = watch(t, peer, { id: 'a' }, new Map([['a', third!]]));
    await gone.caughtUp();
    t.deepEqual(gone.log, ['absent a', 'caughtUp']);
    await writeVersions(peer, 2);
    t.is(await told(t, peer, second), 'EPOCH_CHANGED');
    t.is(await told(t, peer, third), 'EPOCH_CHANGED');
    await gone.until(() => gone.copies.get('a')?.position.version === 2);
    t.is(gone.log[2], 'full INITIAL a');
  });
}

test('what was trimmed from the store is never merged over, cold or hot', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const options = { backend: 'lmdb', dataDir, deltaThreshold: 1000 } as const;
  const first = await serve(t, options);
  const peer = connect(t, first.address);
  // Large deltas, so that snapshots come soon and leave records to trim.
  const positions: Position[] = [];
  for (let n = 1; n <= 40; n++) {
    positions.push(
      (await peer.set({ ...CONTEXT, value: { n, words: `${n}`.repeat(400), rest: 'r'.repeat(4000) } })).position!,
    );
  }
  const snapshot = (await first.store.load('a'))!.snapshot!.version;
  t.true(snapshot > 5 && snapshot < 40, `${snapshot}`);
  t.true((await first.store.trim('a', snapshot - 2)) > 0);
  await first.close();

  const again = connect(t, (await serve(t, options)).address);
  t.is(await told(t, again, positions[0]), 'HISTORY_TRUNCATED');
  t.is(await told(t, again, positions[snapshot - 4]), 'HISTORY_TRUNCATED');
  t.is(await told(t, again, { ...positions[snapshot - 4]!, digest: OTHER }), 'HISTORY_TRUNCATED');
  const known = positions[snapshot - 1]!;
  const copy = { value: { n: snapshot, words: `${snapshot}`.repeat(400), rest: 'r'.repeat(4000) }, position: known };
  t.is(await told(t, again, known, copy), `delta a ${snapshot}-40`);
  const { deltas, truncated } = await again.history('a', 1);
  t.true(truncated);
  t.deepEqual(
    deltas.map(({ to }) => to),
    positions.slice(snapshot - 1),
  );
  t.false((await again.history('a', snapshot - 1)).truncated);
  t.like(await again.deltas({ ...CONTEXT, fromVersion: 40 }), { deltas: [], truncated: false, head: positions[39]! });
});

test('where the delta outweighs the document, the document is sent', async (t) => {
  const peer = await start(t);
  const members = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`member ${i}`, i]));
  const { position: full } = await peer.set({ ...CONTEXT, value: members });
  await peer.set({ ...CONTEXT, value: { only: 'this' } });
  t.is(await told(t, peer, full), 'DELTA_LARGER');
  const live = watch(t, peer, { id: 'a' });
  await live.caughtUp();
  const { position: last } = await peer.set({ ...CONTEXT, value: {} });
  await live.at('a', last);
  t.deepEqual(live.log, ['full INITIAL a', 'caughtUp', 'full DELTA_LARGER a']);
});

test('a store that lost acknowledged writes and reused their versions is found out', async (t) => {
  const store = openMemory();
  const first = await serve(t, { store });
  const peer = connect(t, first.address);
  await writeVersions(peer, 3);
  const backup = (await store.load('a'))!;
  const lost = await writeVersions(peer, 2, 100);
  await first.close();

  // The same life up to version 3, as a failover to a replica that lagged leaves it.
  const older = openMemory();
  let expected: Position | null = null;
  for (const record of backup.records) {
    const head = { ...backup.head, position: record.position };
    t.like(await older.commit({ id: 'a', expected, head, payload: record }), { kind: 'committed' });
    expected = record.position;
  }
  const again = connect(t, (await serve(t, { store: older })).address);
  t.is(await told(t, again, lost[1]), 'AHEAD');
  const reused = await writeVersions(again, 2, 200);
  t.is(reused[0]!.epoch, lost[0]!.epoch);
  t.is(await told(t, again, lost[1]), 'DIVERGED');
  t.is(await told(t, again, lost[0]), 'DIVERGED');
});

test('old values are sent to those who ask, and to nobody else', async (t) => {
  const peer = await start(t);
  const [first] = await writeVersions(peer, 2);
  const known = first;
  const plain = (await peer.sync({ ...CONTEXT, known })).result as { value: Delta };
  const rich = (await peer.sync({ ...CONTEXT, known, includeOldValues: true })).result as { value: Delta };
  t.is(plain.value.changes[0]!.oldValue, undefined);
  t.is(rich.value.changes[0]!.oldValue, 1);
});
