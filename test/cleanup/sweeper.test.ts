/** Cleanup on real stores, with a clock of the test's own. Nothing ticks here but what the test calls. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type CleanupResult, Sweeper } from '../../src/cleanup/sweeper.js';
import type { CommitEvent } from '../../src/contexts/events.js';
import { ContextService } from '../../src/contexts/service.js';
import type { Position } from '../../src/model/model.js';
import { openChord } from '../../src/server/app.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import { openMemory } from '../../src/store/memory.js';
import type { Store } from '../../src/store/store.js';
import { Reader } from '../support/reader.js';

const HOUR = 3_600_000;
const OPTIONS = {
  contextAutoDelete: false,
  contextTtl: 6 * HOUR,
  deltaTtl: 24 * HOUR,
  deltaThreshold: 100,
  requestTtl: 24 * HOUR,
};

/** Chord's parts, put together with a clock that only the test moves. */
class Stage {
  now = 1_000_000_000;
  /** Whether the sweeper hears of writes, as in a server. */
  trims = false;
  readonly events: CommitEvent[] = [];
  readonly errors: unknown[] = [];
  readonly contexts: ContextService;
  readonly sweeper: Sweeper;

  constructor(
    readonly store: Store,
    interval = HOUR,
  ) {
    const onError = (error: unknown) => void this.errors.push(error);
    const clock = () => this.now;
    const publish = (event: CommitEvent) => {
      this.events.push(event);
      if (event.kind === 'delta' && this.trims) this.sweeper.wrote(event.id, event.delta.to.version);
    };
    const sizes = { cacheBytes: 1 << 20, maxDocumentBytes: 1 << 20, maxRequestMembers: 1000, deltaThreshold: 100 };
    this.contexts = new ContextService({ store, clock, publish, onError, ...sizes });
    const onClockSetBack = () => publish({ kind: 'gap' });
    const parts = { store, contexts: this.contexts, clock, onError, onClockSetBack };
    this.sweeper = new Sweeper({ ...parts, options: OPTIONS, interval });
  }

  /** Writes version after version. */
  async write(id: string, versions: number, ttl?: number): Promise<Position> {
    const answers = await Promise.all(
      Array.from({ length: versions }, () =>
        this.contexts.update(
          id,
          { mutations: [{ kind: 'increment', path: ['n'], by: 1 }] },
          { allowMissing: true, ttl },
        ),
      ),
    );
    return answers.at(-1)?.position as Position;
  }

  async ids(): Promise<string[]> {
    return (await this.store.list('', undefined, 1000)).heads.map(({ id }) => id);
  }

  /** How many deltas can still be listed. */
  async deltas(id: string): Promise<number> {
    return (await this.contexts.deltas(id, 0, { pageSize: 1000 })).deltas.length;
  }
}

const STORES: Record<string, (t: ExecutionContext, minFreeBytes?: number) => Promise<Store>> = {
  memory: async () => openMemory(),
  LMDB: async (t, minFreeBytes = 0) => {
    const directory = await mkdtemp(join(tmpdir(), 'chord-cleanup-'));
    const store = await openLmdb({ directory, minFreeBytes });
    t.teardown(async () => {
      await store.close();
      await rm(directory, { recursive: true });
    });
    return store;
  },
};

for (const [name, open] of Object.entries(STORES)) {
  const check = (title: string, body: (t: ExecutionContext, stage: Stage) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const stage = new Stage(await open(t));
      await body(t, stage);
      t.deepEqual(stage.errors, []);
    });

  check('by default contexts stay, old and surplus deltas go', async (t, stage) => {
    await stage.write('few', 3);
    await stage.write('many', 250);
    t.like(await stage.sweeper.run(), { trimmed: 1, deltas: 150, expired: 0, idle: 0, more: false, failed: 0 });
    t.deepEqual([await stage.deltas('few'), await stage.deltas('many')], [3, 100]);
    stage.now += 24 * HOUR;
    t.like(await stage.sweeper.run(), { trimmed: 2, deltas: 103, more: false });
    t.deepEqual([await stage.deltas('few'), await stage.deltas('many')], [0, 0]);
    t.like(await stage.sweeper.run(), { trimmed: 0, deltas: 0 });
    stage.now += 1000 * HOUR;
    t.like(await stage.sweeper.run(), { trimmed: 0, deltas: 0, idle: 0 });
    t.deepEqual(await stage.ids(), ['few', 'many']);
    await stage.write('many', 1);
    const { value } = await stage.contexts.get('many');
    t.true(value.bytes.length > 0);
    t.is((await stage.contexts.get('many')).head.position.version, 251);
  });

  check('between sweeps a log has a bound, whatever is written', async (t, stage) => {
    stage.trims = true;
    for (let written = 0; written < 2000; written += 100) {
      await stage.write('a', 100);
      await stage.sweeper.trimmed();
      t.true((await stage.deltas('a')) <= 200);
    }
    t.is((await stage.contexts.get('a')).head.position.version, 2000);
    await stage.sweeper.stop();
    await stage.write('a', 1000);
    await stage.sweeper.trimmed();
    t.true((await stage.deltas('a')) >= 1000, 'not where cleanup is stopped');
  });

  check('a clock that was ahead, or is set back, makes no time to live longer', async (t, stage) => {
    stage.now += 2 * HOUR;
    await stage.contexts.set('a', { n: 1 });
    stage.now -= 2 * HOUR;
    await stage.contexts.set('a', { n: 2 }, { ttl: 3000 });
    await stage.contexts.set('b', { n: 1 }, { ttl: 10_000 });
    stage.now -= HOUR;
    await stage.contexts.set('b', { n: 2 });
    await stage.contexts.touch('b');
    stage.now += 10_000;
    await t.throwsAsync(stage.contexts.get('b'), { message: /no context "b"/ });
    stage.now += HOUR;
    await stage.sweeper.tick();
    t.deepEqual(await stage.ids(), []);
  });

  check('with auto delete, contexts go that were neither written to nor touched', async (t, stage) => {
    for (const id of ['left', 'written', 'touched', 'unchanged', 'mortal']) await stage.contexts.set(id, { id });
    await stage.contexts.touch('mortal', 1000 * HOUR);
    stage.now += 5 * HOUR;
    await stage.contexts.update('written', { changes: { now: true } });
    await stage.contexts.touch('touched');
    await stage.contexts.set('unchanged', { id: 'unchanged' });
    stage.now += HOUR;
    const options = { contextAutoDelete: true };
    t.like(await stage.sweeper.run({ options }), { idle: 1, items: [{ id: 'left', reason: 'idle', deltas: 1 }] });
    stage.now += 5 * HOUR - 1;
    t.like(await stage.sweeper.run({ options }), { idle: 0 });
    stage.now += 1;
    t.like(await stage.sweeper.run({ options }), { idle: 3 });
    t.deepEqual(await stage.ids(), ['mortal']);
    const removed = stage.events.filter(({ kind }) => kind === 'removed');
    t.is(removed.length, 4);
    t.true(removed.every((event) => event.kind === 'removed' && event.reason === 'expired'));
  });

  check('what has its own time to live goes within a tick, started or not', async (t, stage) => {
    await stage.sweeper.stop();
    for (let i = 0; i < 150; i++) await stage.contexts.set(`c${i}`, { i }, { ttl: 1000 + i });
    stage.now += 999;
    await stage.sweeper.tick();
    t.is((await stage.ids()).length, 150);
    stage.now += 100;
    await stage.sweeper.tick();
    t.is((await stage.ids()).length, 50);
    stage.now += 50;
    await stage.sweeper.tick();
    t.deepEqual(await stage.ids(), []);
    t.like(stage.sweeper.status(), { running: false, totals: { expired: 150, runs: 0 } });
    t.is(stage.events.filter((event) => event.kind === 'removed' && event.reason === 'expired').length, 150);
  });

  check('a dry run tells exactly what the real run then does, and does nothing', async (t, stage) => {
    for (let i = 0; i < 90; i++) await stage.write(`a${i}`, 1 + ((i * 7) % 40), i % 9 === 0 ? 30 * HOUR : undefined);
    stage.now += 12 * HOUR;
    for (let i = 0; i < 90; i += 2) await stage.write(`a${i}`, 1 + (i % 30));
    stage.now += 13 * HOUR;
    for (let i = 0; i < 90; i += 3) await stage.write(`a${i}`, 2);
    const tasks = [
      { prefix: 'a1', options: { deltaThreshold: 5 } },
      { limit: 17, options: { deltaThreshold: 3, contextAutoDelete: true, contextTtl: 20 * HOUR } },
      { options: { deltaTtl: 14 * HOUR, contextAutoDelete: true, contextTtl: 20 * HOUR } },
    ];
    for (const task of tasks) {
      const heads = await stage.store.list('', undefined, 1000);
      const lengths = await stage.store.due('length', -1, 1000);
      const dry = await stage.sweeper.run({ ...task, dryRun: true });
      t.true(dry.items.length > 5);
      t.deepEqual(await stage.store.list('', undefined, 1000), heads);
      t.deepEqual(await stage.store.due('length', -1, 1000), lengths);
      t.is(stage.sweeper.status().totals.runs, tasks.indexOf(task));
      const real = await stage.sweeper.run(task);
      t.deepEqual({ ...real, dryRun: true, items: sorted(real) }, { ...dry, items: sorted(dry) });
    }
  });

  check('limit and prefix hold, and more says whether anything is left', async (t, stage) => {
    for (const prefix of ['a:', 'b:']) for (let i = 0; i < 100; i++) await stage.contexts.set(`${prefix}${i}`, { i });
    stage.now += 6 * HOUR;
    const options = { contextAutoDelete: true };
    t.like(await stage.sweeper.run({ prefix: 'b:', limit: 30, options }), { idle: 30, more: true });
    t.like(await stage.sweeper.run({ prefix: 'b:', limit: 70, options }), { idle: 70, more: false });
    t.true((await stage.ids()).every((id) => id.startsWith('a:')));
    t.like(await stage.sweeper.run({ prefix: 'b:', options }), { idle: 0, more: false });
    t.like(await stage.sweeper.run({ limit: 99, dryRun: true, options }), { idle: 99, more: true });
    t.like(await stage.sweeper.run({ limit: 100, options }), { idle: 100, more: false });
    t.deepEqual(await stage.ids(), []);
  });

  check('start, stop and update while it runs; totals add up', async (t, stage) => {
    const begin = stage.now;
    t.like(stage.sweeper.status(), { running: true, interval: HOUR, nextRunAt: begin + HOUR, last: undefined });
    await stage.write('a', 300);
    stage.now += HOUR - 1;
    await stage.sweeper.tick();
    t.is(stage.sweeper.status().totals.runs, 0);
    stage.now += 1;
    await stage.sweeper.tick();
    t.like(stage.sweeper.status(), { totals: { runs: 1, trimmed: 1, deltas: 200 }, nextRunAt: begin + 2 * HOUR });
    t.like(stage.sweeper.status().last, { startedAt: begin + HOUR, trimmed: 1, deltas: 200, dryRun: false });

    t.false(stage.sweeper.status().overridden);
    await stage.sweeper.update(60_000, { deltaThreshold: 10 });
    t.like(stage.sweeper.status(), {
      interval: 60_000,
      overridden: true,
      nextRunAt: stage.now + 60_000,
      options: { deltaThreshold: 10, contextTtl: 6 * HOUR },
    });
    stage.now += 60_000;
    await stage.sweeper.tick();
    t.is(await stage.deltas('a'), 10);
    t.like(stage.sweeper.status().totals, { runs: 2, deltas: 290 });

    await t.throwsAsync(stage.sweeper.start(), { message: /already started/ });
    t.like(await stage.sweeper.stop(), { running: false, nextRunAt: undefined, interval: 60_000 });
    await stage.write('a', 50);
    stage.now += 10 * HOUR;
    await stage.sweeper.tick();
    t.is(await stage.deltas('a'), 60);
    t.like(await stage.sweeper.start(5_000), { running: true, interval: 5_000, nextRunAt: stage.now + 5_000 });
    stage.now += 5_000;
    await stage.sweeper.tick();
    t.is(await stage.deltas('a'), 10);
    t.like(stage.sweeper.status().totals, { runs: 3, deltas: 340, trimmed: 3 });

    await stage.sweeper.stop();
    const configured = { overridden: false, running: true, interval: HOUR, options: OPTIONS };
    t.like(await stage.sweeper.update(undefined, {}, true), { ...configured, nextRunAt: stage.now + HOUR });
    const again = await stage.sweeper.update(undefined, { deltaThreshold: 7 }, true);
    t.like(again, { overridden: true, running: true, interval: HOUR, options: { ...OPTIONS, deltaThreshold: 7 } });
    await stage.sweeper.close();
  });

  check('a clock that jumps neither stops cleanup nor takes what is not due', async (t, stage) => {
    await stage.write('a', 200);
    await stage.contexts.set('mortal', {}, { ttl: HOUR });
    stage.now -= 5000 * HOUR;
    await stage.sweeper.tick();
    t.is(stage.sweeper.status().nextRunAt, stage.now + HOUR, 'not after 5000 hours');
    stage.now += HOUR;
    await stage.sweeper.tick();
    t.is(stage.sweeper.status().totals.runs, 1);
    t.is(await stage.deltas('a'), 100, 'their number does not depend on the time');
    await stage.write('a', 5);
    t.like(await stage.sweeper.run({ options: { deltaThreshold: 1000 } }), { deltas: 0 });
    stage.now += 20_000 * HOUR;
    await stage.sweeper.tick();
    t.deepEqual(await stage.ids(), ['a']);
    t.is(await stage.deltas('a'), 0);
    stage.now -= 20_000 * HOUR;
    await stage.write('a', 3);
    t.like(await stage.sweeper.run(), { deltas: 0, expired: 0 });
    t.is(await stage.deltas('a'), 2, 'the first of them is known only by where it led');
  });

  check('a context that is renewed at the last moment stays, whoever comes first', async (t, stage) => {
    for (const renew of ['touch', 'write', 'same'] as const) {
      for (const first of ['renewal', 'sweep'] as const) {
        const id = `${renew} ${first}`;
        await stage.contexts.set(id, { n: 1 }, { ttl: 10_000 });
        stage.now += 9_999;
        const renewal = () =>
          renew === 'touch'
            ? stage.contexts.touch(id)
            : stage.contexts.set(id, renew === 'write' ? { n: 2 } : { n: 1 });
        // Both are under way when the time runs out: the sweep has found the context in the index already, or will.
        const work: Promise<unknown>[] = first === 'renewal' ? [renewal()] : [];
        stage.now += first === 'renewal' ? 1 : 0;
        work.push(stage.sweeper.tick());
        if (first === 'sweep') work.push(renewal());
        stage.now += first === 'renewal' ? 0 : 1;
        work.push(stage.sweeper.tick(), stage.sweeper.run());
        await Promise.all(work);
        t.true((await stage.ids()).includes(id), id);
        stage.now += 9_998;
        await stage.sweeper.tick();
        t.true((await stage.ids()).includes(id), `${id}: for its whole new time`);
        stage.now += 3;
        await stage.sweeper.tick();
        t.false((await stage.ids()).includes(id), `${id}: and no longer`);
      }
    }
  });

  check(
    'a context that was removed a moment before a write is a new one, and the write is not lost',
    async (t, stage) => {
      const old = await stage.write('a', 5, 1000);
      stage.now += 1000;
      const [, written] = await Promise.all([stage.sweeper.tick(), stage.write('a', 3)]);
      const { head } = await stage.contexts.get('a');
      t.deepEqual(head.position, written);
      t.not(head.position.epoch, old.epoch);
      t.is(head.position.version, 3);
    },
  );

  check('writes during sweeps lose nothing, and positions stay in order', async (t, stage) => {
    const options = { deltaThreshold: 5, deltaTtl: 1000 };
    let sweeping = true;
    const sweeps = (async () => {
      while (sweeping) await stage.sweeper.run({ options });
    })();
    for (let round = 0; round < 30; round++) {
      await Promise.all(['a', 'b', 'c'].map((id) => stage.write(id, 20)));
      stage.now += 100;
    }
    sweeping = false;
    await sweeps;
    await stage.sweeper.run({ options });
    const fresh = new Stage(stage.store);
    fresh.now = stage.now;
    for (const id of ['a', 'b', 'c']) {
      t.is((await fresh.contexts.get(id)).head.position.version, 600);
      t.is(Buffer.compare((await fresh.contexts.get(id)).value.bytes, (await stage.contexts.get(id)).value.bytes), 0);
      t.is(await stage.deltas(id), 5);
    }
    let last = 0;
    for (const event of stage.events) {
      if (event.kind !== 'delta' || event.id !== 'a') continue;
      t.is(event.delta.from.version, last);
      last = event.delta.to.version;
    }
    t.is(last, 600);
  });

  check(
    'a client behind a trim gets the document with its reason, whether or not the context is in memory',
    async (t, stage) => {
      const { position } = await stage.contexts.set('a', { pad: 'x'.repeat(1000) });
      const positions = [position as Position];
      for (let i = 1; i < 20; i++) positions.push(await stage.write('a', 1));
      await stage.sweeper.run({ options: { deltaThreshold: 8 } });
      const cold = new Stage(stage.store);
      for (const contexts of [stage.contexts, cold.contexts]) {
        const kinds: string[] = [];
        for (const known of positions) {
          const result = await contexts.sync('a', known);
          kinds.push(result.kind === 'full' ? result.reason : result.kind);
        }
        t.deepEqual(kinds.slice(11), [...Array(8).fill('delta'), 'no_change']);
        t.deepEqual([...new Set(kinds.slice(0, 11))], ['history_truncated']);
      }
    },
  );

  check('request ids are remembered for their time', async (t, stage) => {
    await stage.contexts.set('a', { n: 1 }, { requestId: 'r' });
    stage.now += 24 * HOUR;
    t.like(await stage.sweeper.run({ dryRun: true }), { forgotten: 0 });
    t.like(await stage.sweeper.run(), { forgotten: 0 }, 'not before the time is over');
    stage.now += 1;
    t.like(await stage.sweeper.run({ prefix: 'a' }), { forgotten: 0 });
    t.like(await stage.sweeper.run(), { forgotten: 1 });
    t.true((await stage.contexts.set('a', { n: 2 }, { requestId: 'r' })).changed);
  });
}

test('contexts that expire together are removed by few commits', async (t) => {
  // A transaction is bound by the space that is kept free, too.
  const store = await STORES.LMDB!(t, 64 * 2 ** 20);
  const stage = new Stage(store);
  await Promise.all(Array.from({ length: 600 }, (_, i) => stage.write(`c${i}`, 1, HOUR)));
  stage.now += 2 * HOUR;
  const before = store.work!.groupSizes!.count;
  await stage.sweeper.tick();
  t.deepEqual(await stage.ids(), []);
  t.is(stage.events.filter(({ kind }) => kind === 'removed').length, 600);
  t.true(store.work!.groupSizes!.count - before <= 5, `${store.work!.groupSizes!.count - before}`);
});

test('where servers share a store, the one with the lease sweeps; another takes over when it is gone', async (t) => {
  const store = openMemory();
  let owner = 'first';
  const seen = (name: string) =>
    new Proxy(store, {
      get: (target, key) => {
        if (key === 'cluster') return { lease: async () => owner === name };
        const value = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  const [first, second] = [new Stage(seen('first')), new Stage(seen('second'))];
  await first.write('a', 1, 1000);
  for (const stage of [first, second]) stage.now += 2000;
  await second.sweeper.tick();
  t.deepEqual(await first.ids(), ['a']);
  owner = 'second';
  await first.sweeper.tick();
  t.deepEqual(await first.ids(), ['a']);
  await second.sweeper.tick();
  t.deepEqual(await first.ids(), []);
});

test('one context that cannot be swept does not stop the others, and is told', async (t) => {
  const store = openMemory();
  const failing = new Proxy(store, {
    get: (target, key) => {
      const value = Reflect.get(target, key);
      if (key !== 'trim') return typeof value === 'function' ? value.bind(target) : value;
      return (id: string, version: number) =>
        id === 'b' ? Promise.reject(new Error('cannot')) : target.trim(id, version);
    },
  });
  const stage = new Stage(failing);
  for (const id of ['a', 'b', 'c']) await stage.write(id, 150);
  t.like(await stage.sweeper.run(), { trimmed: 2, failed: 1, deltas: 100, more: false });
  t.is(stage.errors.length, 1);
});

function sorted({ items }: CleanupResult) {
  return items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

test('a sweeper closes though the store fails the sweep under way: the store is closed after it', async (t) => {
  let fail = (_: Error) => {};
  let began = () => {};
  const sweeping = new Promise<void>((resolve) => {
    began = resolve;
  });
  const store = openMemory();
  const failing = new Promise<never>((_, reject) => {
    fail = reject;
  });
  store.due = () => {
    began();
    return failing;
  };
  const limits = { cacheBytes: 1e6, maxDocumentBytes: 1e6, maxRequestMembers: 1000, deltaThreshold: 100 };
  const onError = () => {};
  const contexts = new ContextService({ store, publish: () => {}, clock: () => 1, onError, ...limits });
  const sweeper = new Sweeper({
    ...{ store, contexts, clock: () => 1, onError, onClockSetBack: () => {} },
    ...{ options: OPTIONS, interval: 0 },
  });
  const ticked = sweeper.tick();
  await sweeping;
  const closed = sweeper.close();
  fail(new Error('the store is away'));
  await t.notThrowsAsync(Promise.all([closed, ticked]));
});

test('what had expired by a clock that was set back since reaches a watcher that did not get it', async (t) => {
  const store = openMemory();
  store.due = async () => []; // nothing is removed
  let now = 10 * HOUR;
  const { contexts, hub, cleanup, close } = await openChord({ store, clock: () => now, cleanupInterval: 0 });
  await contexts.set('a', { n: 1 }, { ttl: 60_000 });
  now += HOUR;
  const reader = new Reader(['*']).open(contexts, hub);
  await cleanup.tick();
  await reader.until(() => reader.log.includes('caught_up'));
  t.is(reader.copies.size, 0);
  now -= HOUR;
  await cleanup.tick();
  await reader.until(() => reader.copies.has('a'));
  reader.watcher.close();
  await close();
});
