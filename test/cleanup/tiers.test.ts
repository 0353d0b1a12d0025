/** Tiers of retention: which versions stay, that sweeps cost what is due, and that what stays is exact. */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { thinningPlan } from '../../src/cleanup/tiers.js';
import { decodeChanges } from '../../src/codec/changes.js';
import { decodeStruct } from '../../src/codec/struct.js';
import { apply } from '../../src/delta/index.js';
import { verify } from '../../src/maintenance/verify.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import { formatTiers, parseTiers, type Tier, tiersProblem } from '../../src/model/tiers.js';
import { openChord } from '../../src/server/app.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import { openMemory } from '../../src/store/memory.js';
import type { LogRecord, Store } from '../../src/store/store.js';
import { over } from '../contexts/stores.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { openPatiently, REDIS_INSTALLED, RedisServer } from '../store/redis/servers.js';

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

test('tiers are read as they are written', (t) => {
  const tiers = parseTiers('1h:all, 1d:1m,90d:1h')!;
  t.deepEqual(tiers, [
    { age: HOUR, every: 0 },
    { age: DAY, every: MINUTE },
    { age: 90 * DAY, every: HOUR },
  ]);
  t.is(formatTiers(tiers), '1h:all,1d:1m,90d:1h');
  for (const text of ['', '1h', '1h:', ':1m', '1h:1m:1s', '1h:every', '1h:0', 'all:1h', '1h:all,']) {
    t.is(parseTiers(text), undefined, text);
  }
  const problem = (text: string) => tiersProblem(parseTiers(text)!);
  t.is(problem('1h:all,1d:1m,90d:1h'), undefined);
  t.is(problem('1d:1m'), undefined);
  t.regex(problem('1d:all,1h:1m')!, /further back/);
  t.regex(problem('1h:1m,1d:all')!, /fewer versions/);
  t.regex(problem('1h:all,1d:10ms')!, /one version a second/);
  t.regex(problem('1h:2h')!, /longer than their reach/);
  t.regex(problem(Array.from({ length: 9 }, (_, i) => `${i + 1}d:${i + 1}m`).join())!, /more than 8/);
});

/** What is left of times after one sweep; and when the next one has work. */
function swept(times: readonly number[], tiers: readonly Tier[], now: number) {
  const plan = thinningPlan(tiers, now);
  const rest = times.filter((at, i) => i === 0 || i === times.length - 1 || !plan.merges(at, times[i + 1]!));
  let next = plan.dueFor(times[0]!);
  for (let i = 1; i < rest.length - 1; i++) next = Math.min(next, plan.dueAgain(rest[i]!, rest[i + 1]!));
  return { rest, next };
}

test('however often it is swept, the same versions stay, and no sweep has work before it is due', (t) => {
  const tiers = parseTiers('10s:all,60s:4s,300s:20s')!;
  const histories = fc.array(fc.nat(9_000), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(histories, fc.array(fc.nat(60_000), { maxLength: 8 }), (gaps, waits) => {
      const times = gaps.map((_, i) => gaps.slice(0, i + 1).reduce((sum, gap) => sum + gap, 0));
      const last = times.at(-1)!;
      let rest = times;
      let now = last;
      for (const wait of waits) {
        const { next } = swept(rest, tiers, now);
        // Before the key of the index is reached, a sweep would change nothing.
        const early = next + 10_000 - 1;
        if (early > now)
          t.deepEqual(swept(swept(rest, tiers, now).rest, tiers, early).rest, swept(rest, tiers, now).rest);
        rest = swept(rest, tiers, now).rest;
        now += wait;
      }
      rest = swept(rest, tiers, now).rest;
      t.deepEqual(rest, swept(times, tiers, now).rest, 'as in one sweep');
      t.deepEqual(
        rest.filter((at) => at > now - 10_000),
        times.filter((at) => at > now - 10_000),
        'all of the first tier',
      );
      const periods = (every: number, from: number) => {
        const inTier = rest.slice(1, -1).filter((at) => Math.ceil((at + 1) / every) * every <= now - from);
        t.is(new Set(inTier.map((at) => Math.floor(at / every))).size, inTier.length, `one in ${every} ms`);
        for (const at of inTier)
          t.false(
            times.some((other) => other > at && Math.floor(other / every) === Math.floor(at / every)),
            'the last one',
          );
      };
      periods(4_000, 10_000);
      periods(20_000, 60_000);
    }),
    { numRuns: 200 },
  );
});

/** All retained records. */
async function retained(store: Store): Promise<readonly LogRecord[]> {
  const all = await store.deltas('a', 0, 100_000);
  const read = all.kind === 'records' ? all : await store.deltas('a', all.oldest - 1, 100_000);
  return read.kind === 'records' ? read.records : [];
}

test('a sweep of the schedule looks at what is due alone, and leaves what a look at everything would', async (t) => {
  const tiers = parseTiers('10s:all,60s:4s,50m:20s')!;
  const step = fc.record({ gap: fc.nat(40_000), dense: fc.boolean(), writes: fc.nat(9), sweeps: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 50 }), async (steps) => {
      const store = openMemory();
      let now = 1_800_000_000_000;
      const options = { store, clock: () => now, cleanupInterval: 1000, deltaRetention: tiers };
      const chord = await openChord(options);
      t.teardown(() => chord.close());
      const { contexts, cleanup } = chord;
      const times: number[] = [];
      for (const { gap, dense, writes, sweeps } of steps) {
        for (let i = 0; i < writes; i++) {
          now += dense ? gap % 1000 : 1;
          await contexts.set('a', { n: times.length });
          times.push(now);
        }
        if (!dense) now += gap;
        if (!sweeps) continue;
        now += 1000;
        await cleanup.tick();
        t.deepEqual(
          (await retained(store)).map(({ at }) => at),
          times.length > 0 ? swept(times, tiers, now).rest : [],
        );
      }
      await chord.close();
    }),
    { numRuns: 100 },
  );
});

test('a sweep of the schedule reads neither what is young nor what is thinned already', async (t) => {
  const inner = openMemory();
  let read = 0;
  const store = over(inner, {
    deltas: async (...args) => {
      const history = await inner.deltas(...args);
      if (history.kind === 'records') read += history.records.length;
      return history;
    },
  });
  let now = 1_800_000_000_000;
  const deltaRetention = parseTiers('1000s:all,1d:1s')!;
  const chord = await openChord({ store, clock: () => now, cleanupInterval: 100_000, deltaRetention });
  t.teardown(() => chord.close());
  for (let sweeps = 1; sweeps <= 30; sweeps++) {
    for (let i = 0; i < 200; i++, now += 500) await chord.contexts.set('a', { n: now });
    read = 0;
    await chord.cleanup.tick();
    t.true(read < 600, `${read}`);
    const { last } = chord.cleanup.status();
    // The oldest one stays.
    t.is(last?.deltas, sweeps > 11 ? 100 : sweeps === 11 ? 99 : 0, `${sweeps}`);
  }
  t.true((await retained(inner)).length > 4000);
});

test('a store is swept by tiers: bounded, exact, and at no cost where nothing is due', async (t) => {
  const inner = openMemory();
  const reads = { deltas: 0 };
  const store = over(inner, {
    deltas: (...args) => {
      reads.deltas++;
      return inner.deltas(...args);
    },
  });
  let now = 1_800_000_000_000;
  const deltaRetention = parseTiers('1h:all,1d:10m,10d:6h')!;
  const chord = await openChord({ store, clock: () => now, cleanupInterval: 0, deltaRetention });
  t.teardown(() => chord.close());
  const { contexts, cleanup } = chord;
  const past: { at: number; position: Position; value: JsonObject }[] = [];
  let value: JsonObject = { filler: 'x'.repeat(20_000) };
  const write = async () => {
    const n = past.length;
    value = { ...value, n, [`k${n % 20}`]: n };
    past.push({ at: now, position: (await contexts.set('a', { ...value })).position!, value });
  };
  // Two days of a write each two minutes, with a sweep an hour.
  for (let hour = 0; hour < 48; hour++) {
    for (let i = 0; i < 30; i++, now += 2 * MINUTE) await write();
    t.is((await cleanup.run()).failed, 0);
  }
  const records = await retained(inner);
  // An hour, and a period of ten minutes, in full; 23 hours and a period in tens of minutes; a day in six hours.
  t.true(records.length <= 30 + 5 + 23 * 6 + 36 + 4 + 2, `${records.length}`);
  t.true(records.length >= 30 + 23 * 6 + 4, `${records.length}`);
  for (const { position } of records) {
    const then = past[position.version - 1]!;
    const view = await contexts.past.atVersion('a', position.version);
    t.deepEqual(
      [view.head.position, decodeStruct(view.value.bytes), view.head.updatedAt],
      [then.position, then.value, then.at],
    );
    const result = await contexts.sync('a', then.position);
    if (position.version === past.length) continue;
    // Of many versions, too.
    t.true(result.kind === 'delta' || (result.kind === 'full' && result.reason !== 'diverged'), result.kind);
    if (result.kind !== 'delta') continue;
    const { payload } = result.delta;
    t.deepEqual(apply(decodeChanges(payload.changes, payload.olds), then.value), value);
  }
  const far = records[records.length - 60]!.position;
  t.true(past.length - far.version > 100);
  t.is((await contexts.sync('a', far)).kind, 'delta', 'further behind than the threshold in versions, not in deltas');

  // A sweep a minute later finds nothing to read.
  await cleanup.run();
  reads.deltas = 0;
  now += MINUTE;
  t.like(await cleanup.run(), { trimmed: 0, failed: 0 });
  t.is(reads.deltas, 0);
  // A dry run counts what a run takes; at last nothing but the newest delta is left, and then none.
  now += 12 * HOUR;
  const dry = await cleanup.run({ dryRun: true });
  const run = await cleanup.run();
  t.true(run.deltas > 0);
  t.deepEqual([dry.deltas, dry.trimmed], [run.deltas, 1]);
  now += 11 * DAY;
  await cleanup.run();
  t.is((await retained(inner)).length, 0);
  t.deepEqual(decodeStruct((await contexts.get('a')).value.bytes), value);
});

interface Opened {
  readonly store: Store;
  /** Problems that are found in the files of a store that is closed. */
  readonly check?: () => Promise<unknown[]>;
}

const OTHERS: Record<string, (t: ExecutionContext) => Promise<Opened>> = {
  lmdb: async (t) => {
    const directory = await temporaryDirectory(t);
    const check = async () => {
      const damages: unknown[] = [];
      await verify(directory, { onDamage: (damage) => damages.push(damage) });
      return damages;
    };
    return { store: await openLmdb({ directory, minFreeBytes: 0 }), check };
  },
  ...(REDIS_INSTALLED && {
    redis: async (t: ExecutionContext) => {
      const server = await RedisServer.start();
      t.teardown(() => server.destroy());
      return { store: await openPatiently({ url: server.url }) };
    },
  }),
};

/** `make prove` takes a million. */
const WRITES = Number(process.env.CHORD_WRITES ?? 3000);

for (const [name, open] of Object.entries(OTHERS)) {
  test(`after many writes under tiers as much is left as they say, and each version is exact: ${name}`, async (t) => {
    t.timeout(3_600_000);
    const { store, check } = await open(t);
    let now = 1_800_000_000_000;
    const deltaRetention = parseTiers('10m:all,2h:1m,10d:1h')!;
    const options = { store, clock: () => now, cleanupInterval: HOUR, deltaRetention };
    const chord = await openChord(options);
    t.teardown(() => chord.close());
    const { contexts, cleanup } = chord;
    const filler = 'x'.repeat(3000);
    const at = (n: number) => ({ n, [`k${n % 5}`]: n, filler });
    const written = (version: number) => {
      // Of each of five keys the last value.
      const value: JsonObject = { filler, n: version };
      for (let n = Math.max(1, version - 4); n <= version; n++) value[`k${n % 5}`] = n;
      return value;
    };
    let swept = 0;
    for (let n = 1; n <= WRITES; ) {
      const some = Math.min(100, WRITES - n + 1);
      await Promise.all(
        Array.from({ length: some }, (_, i) => {
          now += 7_000;
          return contexts.update('a', { changes: at(n + i) }, { allowMissing: true });
        }),
      );
      n += some;
      const began = performance.now();
      await cleanup.tick();
      swept += performance.now() - began;
    }
    await cleanup.run();
    t.is(cleanup.status().totals.failed, 0);
    const head = (await contexts.get('a')).head.position;
    t.is(head.version, WRITES);

    const { deltas } = await contexts.deltas('a', 0, { pageSize: 1000 });
    const hours = Math.min(240, Math.ceil((WRITES * 7) / 3600));
    const most = Math.ceil((600 + 60) / 7) + 120 + 60 + hours + 4;
    t.true(deltas.length <= most, `${deltas.length}`);
    const kept = new Map(deltas.map(({ to }) => [to.version, to]));
    for (const [version, to] of kept) {
      const view = await contexts.past.atVersion('a', version);
      t.deepEqual([view.head.position, decodeStruct(view.value.bytes)], [to, written(version)]);
      const result = await contexts.sync('a', to);
      if (result.kind !== 'delta') continue;
      const { payload } = result.delta;
      t.deepEqual(apply(decodeChanges(payload.changes, payload.olds), written(version)), written(WRITES));
    }
    // Some of the others, of all ages.
    let dropped = 0;
    for (let version = 2; version < WRITES; version += Math.ceil(WRITES / 1000)) {
      if (kept.has(version)) continue;
      dropped++;
      await t.throwsAsync(contexts.past.atVersion('a', version), { message: /no longer retained/ });
      const result = await contexts.sync('a', { ...head, version });
      t.like(result, { kind: 'full', reason: 'history_truncated', view: { head: { position: head } } });
      if (result.kind === 'full') t.deepEqual(decodeStruct(result.view.value.bytes), written(WRITES));
    }
    const bytes = deltas.reduce((sum, { payload }) => sum + payload.changes.length + payload.olds.length, 0);
    const { runs, deltas: gone } = cleanup.status().totals;
    t.log(`${WRITES} writes: ${deltas.length} deltas (at most ${most}) of ${bytes} bytes are left, ${gone} went`);
    t.log(`${runs} sweeps of ${(swept / runs).toFixed(1)} ms; read at ${kept.size} kept and ${dropped} other versions`);
    await chord.close();
    t.deepEqual((await check?.()) ?? [], []);
  });
}

test('tiers need a store that merges deltas', async (t) => {
  const store = over(openMemory(), { thin: undefined as never });
  const options = { store, deltaRetention: parseTiers('1h:all,1d:1m')! };
  await t.throwsAsync(openChord(options), { message: /deltaRetention needs a store that merges deltas/ });
});
