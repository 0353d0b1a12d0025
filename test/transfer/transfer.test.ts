/** Export and restore over sockets, on every store. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { TransferServiceService as transfers } from '../../src/gen/chord/v1/transfer_service.js';
import type { ChordOptions } from '../../src/server/app.js';
import type { ExportedContext, Provider } from '../../src/transfer/export-provider.js';
import { REDIS_INSTALLED, RedisServer } from '../store/redis/servers.js';
import { connect, follow, reasonOf, refused, serve, watch } from '../support/chord.js';
import { until } from '../support/until.js';

async function scratch(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chord-transfer-'));
  t.teardown(() => rm(path, { recursive: true }));
  return path;
}

async function stage(t: ExecutionContext, options: ChordOptions = {}) {
  const directory = await scratch(t);
  const chord = await serve(t, { exportUrl: `file:${directory}`, ...options });
  const peer = connect(t, chord.address);
  return { chord, peer, directory };
}

type Stage = Awaited<ReturnType<typeof stage>>;

async function write({ peer }: Stage, contextId: string, versions: number) {
  let position = (await peer.set({ contextId, value: { n: 1, list: [1, 2, 3], zero: -0 } })).position!;
  for (let n = 2; n <= versions; n++) position = (await peer.update({ contextId, changes: { n } })).position!;
  return position;
}

const BACKENDS: Record<string, (t: ExecutionContext) => Promise<Stage>> = {
  memory: (t) => stage(t),
  lmdb: async (t) => stage(t, { backend: 'lmdb', dataDir: await scratch(t), minFreeBytes: 0 }),
};

if (REDIS_INSTALLED) {
  BACKENDS.redis = async (t) => {
    const redis = await RedisServer.start();
    t.teardown(() => redis.destroy());
    return stage(t, { backend: 'redis', redisUrl: redis.url });
  };

  test('redis: watchers and writers of another server follow a restore', async (t) => {
    const redis = await RedisServer.start();
    t.teardown(() => redis.destroy());
    const at = await stage(t, { backend: 'redis', redisUrl: redis.url });
    const other = connect(t, (await serve(t, { backend: 'redis', redisUrl: redis.url })).address);
    const position = await write(at, 'a', 5);
    const reader = watch(t, other, { prefix: '' });
    await reader.at('a', position);
    for (const history of [true, false]) {
      await at.peer.export({ contextId: 'a', history });
      await other.update({ contextId: 'a', changes: { lost: true } });
      const { context } = await at.peer.restore({ contextId: 'a', overwrite: true });
      await reader.at('a', context?.position);
      const next = await other.update({ contextId: 'a', changes: { more: history } });
      t.is(next.position?.epoch, context?.position?.epoch);
      await reader.at('a', next.position);
      t.deepEqual(reader.copies.get('a')?.value, await at.peer.document('a'));
      t.false('lost' in (await at.peer.document('a')));
    }
  });
}

for (const [name, make] of Object.entries(BACKENDS)) {
  test(`${name}: without history a restore begins a new epoch, and clients get the document`, async (t) => {
    const at = await make(t);
    const { peer } = at;
    const position = await write(at, 'a', 5);
    const { context: saved } = await peer.export({ contextId: 'a' });
    t.deepEqual(saved?.position, position);
    t.is(saved?.deltas, 0);
    await peer.delete({ contextId: 'a' });
    const { context } = await peer.restore({ contextId: 'a' });
    t.not(context?.position?.epoch, position.epoch);
    t.deepEqual(await peer.document('a'), { n: 5, list: [1, 2, 3], zero: -0 });
    const { result } = await peer.sync({ contextId: 'a', known: position });
    t.is(result?.$case === 'full' && reasonOf(result.value.reason), 'EPOCH_CHANGED');
  });

  test(`${name}: with history positions are kept, and clients resume by delta`, async (t) => {
    const at = await make(t);
    const { peer } = at;
    const early = await write(at, 'a', 5);
    const copy = { value: await peer.document('a'), position: early };
    let last = early;
    const annotations = new Map([['__proto__', 'é']]);
    for (let n = 6; n <= 9; n++) {
      last = (await peer.update({ contextId: 'a', changes: { n, zero: n }, annotations })).position!;
    }
    const before = await peer.history('a');
    t.is((await peer.export({ contextId: 'a', history: true })).context?.deltas, 9);
    await peer.delete({ contextId: 'a' });
    const { context } = await peer.restore({ contextId: 'a' });
    t.deepEqual(context?.position, last);
    t.deepEqual(await peer.history('a'), before);
    t.deepEqual(before.deltas.at(-1)!.provenance!.annotations, annotations);

    const { result } = await peer.sync({ contextId: 'a', known: early });
    if (result?.$case !== 'delta') return t.fail(`no delta but ${result?.$case}`);
    t.deepEqual(follow(copy, result.value), { value: await peer.document('a'), position: last });
    t.is((await peer.sync({ contextId: 'a', known: last })).result?.$case, 'noChange');
    const next = await peer.update({ contextId: 'a', changes: { n: 10 } });
    t.is(next.position?.version, 10);
    t.is(next.position?.epoch, last.epoch);
  });

  test(`${name}: history of which the beginning is gone`, async (t) => {
    const at = await make(t);
    const { peer, chord } = at;
    const position = await write(at, 'a', 9);
    const { deltas } = await peer.history('a');
    await chord.contexts.trim('a', 6);
    t.is((await peer.export({ contextId: 'a', history: true })).context?.deltas, 2);
    await peer.delete({ contextId: 'a' });
    t.deepEqual((await peer.restore({ contextId: 'a' })).context?.position, position);
    t.deepEqual(await peer.document('a'), { n: 9, list: [1, 2, 3], zero: -0 });
    for (const { to } of deltas.slice(0, 8)) {
      const { result } = await peer.sync({ contextId: 'a', known: to });
      if (result?.$case === 'full') t.is(reasonOf(result.value.reason), 'HISTORY_TRUNCATED');
      t.is(result?.$case, to!.version < 7 ? 'full' : 'delta', `from ${to!.version}`);
    }
    // All of it gone: only the position is left to go on from.
    await chord.contexts.trim('a', 9);
    t.is((await peer.export({ contextId: 'a', history: true })).context?.deltas, 0);
    await peer.restore({ contextId: 'a', overwrite: true });
    t.is((await peer.sync({ contextId: 'a', known: position })).result?.$case, 'noChange');
    t.is((await peer.update({ contextId: 'a', changes: { n: 10 } })).position?.version, 10);
  });

  test(`${name}: an older backup resets clients that were further, and those on the lost line`, async (t) => {
    const at = await make(t);
    const { peer } = at;
    const saved = await write(at, 'a', 3);
    await peer.export({ contextId: 'a', history: true });
    const four = (await peer.update({ contextId: 'a', changes: { n: 'lost' } })).position!;
    const five = (await peer.update({ contextId: 'a', changes: { n: 'lost too' } })).position!;
    t.deepEqual((await peer.restore({ contextId: 'a', overwrite: true })).context?.position, saved);
    const reason = async (known: typeof four) => {
      const { result } = await peer.sync({ contextId: 'a', known });
      return result?.$case === 'full' ? reasonOf(result.value.reason) : result?.$case;
    };
    t.is(await reason(five), 'AHEAD');
    for (let n = 4; n <= 6; n++) await peer.update({ contextId: 'a', changes: { n } });
    t.is(await reason(four), 'DIVERGED');
    t.is(await reason(five), 'DIVERGED');
    t.is(await reason(saved), 'delta');
  });

  test(`${name}: a watcher follows a restore, whichever way`, async (t) => {
    const at = await make(t);
    const { peer } = at;
    await write(at, 'a', 3);
    await peer.export({ contextId: 'a', history: true });
    await peer.delete({ contextId: 'a' });
    const reader = watch(t, peer, { prefix: '' });
    await reader.caughtUp();
    const { context } = await peer.restore({ contextId: 'a' });
    await reader.at('a', context?.position);
    await peer.update({ contextId: 'a', changes: { n: 4 } });
    await peer.export({ contextId: 'a' });
    const again = await peer.restore({ contextId: 'a', overwrite: true });
    await reader.at('a', again.context?.position);
    t.deepEqual(reader.copies.get('a')?.value, await peer.document('a'));
  });
}

test('an existing context is overwritten only on request; what is not saved is not found', async (t) => {
  const at = await stage(t);
  const { peer } = at;
  for (const history of [false, true]) {
    await write(at, 'a', 2);
    await peer.export({ contextId: 'a', history });
    await peer.update({ contextId: 'a', changes: { n: 'newer' } });
    t.is((await refused(peer.restore({ contextId: 'a' }))).reason, 'ALREADY_EXISTS');
    t.is((await peer.document('a')).n, 'newer');
    await peer.restore({ contextId: 'a', overwrite: true });
    t.is((await peer.document('a')).n, 2);
  }
  t.is((await refused(peer.restore({ contextId: 'b' }))).reason, 'NOT_FOUND');
  t.is((await refused(peer.export({ contextId: 'b' }))).reason, 'NOT_FOUND');
  t.deepEqual((await refused(peer.export({ contextId: '' }))).fields, ['context_id']);
});

test('the time to live begins again', async (t) => {
  let now = Date.now();
  const { peer } = await stage(t, { clock: () => now });
  for (const history of [false, true]) {
    await peer.set({ contextId: 'a', value: {}, ttl: { seconds: 60, nanos: 0 } });
    await peer.export({ contextId: 'a', history });
    await peer.delete({ contextId: 'a' });
    now += 3_600_000;
    await peer.restore({ contextId: 'a' });
    const { context } = await peer.get({ contextId: 'a' });
    t.is(context!.expiresAt!.seconds, Math.floor((now + 60_000) / 1000));
    await peer.delete({ contextId: 'a' });
  }
});

test('nobody loses a race: of two restores one wins, and writes meanwhile are kept or refused', async (t) => {
  const at = await stage(t);
  const { peer } = at;
  await write(at, 'a', 50);
  await peer.export({ contextId: 'a', history: true });
  for (let round = 0; round < 20; round++) {
    await peer.delete({ contextId: 'a' });
    const outcomes = await Promise.allSettled([
      peer.restore({ contextId: 'a' }),
      peer.update({ contextId: 'a', changes: { mine: round }, allowMissing: true }),
      peer.restore({ contextId: 'a' }),
    ]);
    t.is(outcomes[1]?.status, 'fulfilled');
    t.is((await peer.document('a')).mine, round);
    const restored = outcomes.filter(({ status }, i) => i !== 1 && status === 'fulfilled').length;
    t.true(restored <= 1);
    if (restored === 1) t.is((await peer.document('a')).n, 50);
  }
});

test('whole prefixes, with progress; what fails for one does not stop the others', async (t) => {
  const at = await stage(t);
  const { peer, directory } = at;
  for (let i = 0; i < 30; i++) await write(at, `room:${i}`, 2);
  await write(at, 'other', 1);
  const exported = await peer.transfer(transfers.exportContexts, { prefix: 'room:', history: true });
  t.like(exported[0], { total: 30, done: 0, failed: 0 });
  t.like(exported.at(-1), { total: 30, done: 30, failed: 0 });
  t.deepEqual(
    exported.map(({ done }) => done),
    Array.from({ length: 31 }, (_, i) => i),
  );
  for (let i = 0; i < 30; i++) if (i !== 7) await peer.delete({ contextId: `room:${i}` });
  await writeFile(join(directory, 'room%3a3.json'), '{"format":"chord.context/1","contextId":"room:3","val');

  const restored = await peer.transfer(transfers.restoreContexts, { prefix: 'room:' });
  t.like(restored.at(-1), { total: 30, done: 30, failed: 2 });
  const failures = restored.flatMap(({ last }) => (last?.$case === 'failure' ? last.value : []));
  t.deepEqual(failures.map(({ contextId, reason }) => `${contextId} ${reason}`).sort(), [
    'room:3 DATA_LOSS',
    'room:7 ALREADY_EXISTS',
  ]);
  t.is((await peer.list({ prefix: 'room:' })).contexts.length, 29);
  const none = await peer.transfer(transfers.restoreContexts, { prefix: 'none' });
  t.deepEqual(
    none.map(({ total }) => total),
    [0],
  );
});

test('a cancelled call stops', async (t) => {
  const saves: (() => void)[] = [];
  let count = 0;
  const provider: Provider = {
    save: () => {
      count++;
      return new Promise<void>((resolve) => saves.push(resolve));
    },
    load: async () => null,
    async *list() {},
    delete: async () => false,
    close: async () => {},
  };
  const { peer } = await stage(t, { provider, exportTimeout: 600_000 });
  for (let i = 0; i < 50; i++) await peer.set({ contextId: `id ${i}`, value: {} });
  const { path, requestSerialize, responseDeserialize } = transfers.exportContexts;
  const request = { prefix: '', history: false };
  const stream = peer.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request);
  stream.on('error', () => {});
  await once(stream, 'data');
  await until(() => count >= 8);
  stream.cancel();
  await once(stream, 'error');
  // The server has heard of it when it answers a call that was made after it on the same connection.
  await peer.get({ contextId: 'id 0' });
  for (const resolve of saves.splice(0)) resolve();
  for (let i = 0; i < 20; i++) await turn();
  t.is(count, 8);
});

test('without an external store everything is refused', async (t) => {
  const chord = await serve(t);
  const peer = connect(t, chord.address);
  for (const call of [
    peer.export({ contextId: 'a' }),
    peer.restore({ contextId: 'a' }),
    peer.transfer(transfers.exportContexts, {}),
    peer.transfer(transfers.restoreContexts, {}),
  ]) {
    t.is((await refused(call)).reason, 'FAILED_PRECONDITION');
  }
});

test('damaged exports are refused, and destroy nothing', async (t) => {
  const at = await stage(t);
  const { peer, directory } = at;
  await write(at, 'a', 3);
  await peer.export({ contextId: 'a', history: true });
  const file = join(directory, 'a.json');
  const text = await readFile(file, 'utf8');
  const good: ExportedContext = JSON.parse(text);
  const [one, two, three] = good.history!;
  const damaged: unknown[] = [
    null,
    [],
    { ...good, format: 'chord.context/2' },
    { ...good, contextId: 'b' },
    { ...good, value: [] },
    { ...good, position: { ...good.position, digest: undefined } },
    { ...good, position: { ...good.position, version: 4 } },
    { ...good, position: { ...good.position, digest: 'other000' } },
    { ...good, updatedAt: 'yesterday' },
    { ...good, ttl: -1 },
    { ...good, history: 7 },
    { ...good, history: [one, three] },
    { ...good, history: [one, two] },
    { ...good, history: [one, three, two] },
    { ...good, history: [{ ...one, changes: '!' }, two, three] },
    { ...good, history: [one, { ...two, olds: one!.olds }, three] },
    { ...good, history: [one, { ...two, changes: three!.changes }, three] },
    { ...good, value: { n: 'another document', list: [], zero: 0 }, history: [two, three] },
    { ...good, value: {} },
  ];
  for (const each of [...damaged.map((form) => JSON.stringify(form)), '', text.slice(0, text.length / 2)]) {
    await writeFile(file, each);
    const { reason } = await refused(peer.restore({ contextId: 'a', overwrite: true }));
    t.is(reason, 'DATA_LOSS', each);
    t.is((await peer.document('a')).n, 3);
  }
  await writeFile(file, text);
  await peer.restore({ contextId: 'a', overwrite: true });
});

test('what is over the limits of this server is refused before anything is overwritten', async (t) => {
  const at = await stage(t, { maxDocumentBytes: 2000 });
  const { peer, directory } = at;
  await write(at, 'a', 1);
  await peer.export({ contextId: 'a' });
  const file = join(directory, 'a.json');
  const good = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...good, value: { long: 'x'.repeat(3000) } }));
  t.is((await refused(peer.restore({ contextId: 'a', overwrite: true }))).reason, 'RESOURCE_EXHAUSTED');
  let deep: unknown = 1;
  for (let i = 0; i < 40; i++) deep = { deep };
  await writeFile(file, JSON.stringify({ ...good, value: deep }));
  t.is((await refused(peer.restore({ contextId: 'a', overwrite: true }))).reason, 'INVALID_ARGUMENT');
  t.is((await peer.document('a')).n, 1);
});
