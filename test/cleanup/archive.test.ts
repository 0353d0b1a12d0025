/** Export before removal, with external stores that fail in every way, and a clock that only the test moves. */
import test, { type ExecutionContext } from 'ava';
import { ConfigError } from '../../src/config/config.js';
import { ChordError } from '../../src/model/errors.js';
import { type ChordOptions, openChord } from '../../src/server/app.js';
import type { Provider, SavedContext } from '../../src/transfer/export-provider.js';
import { openRemote } from '../../src/transfer/providers/grpc.js';
import { until } from '../support/until.js';
import { External } from '../transfer/external.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;

type Fault = 'refuses' | 'throws' | 'hangs' | 'too late' | 'half-written' | 'forgets' | 'another' | 'load hangs';

/** Keeps what is saved, or fails as it is told to. */
class Faulty implements Provider {
  fault: Fault | undefined;
  readonly texts = new Map<string, string>();
  /** Calls under way, now and at the most. */
  running = 0;
  runningMax = 0;
  saves = 0;
  /** Hears of each save that begins. */
  onSave: (id: string) => void = () => {};

  async save({ id, text }: SavedContext, signal: AbortSignal): Promise<void> {
    this.saves++;
    this.runningMax = Math.max(this.runningMax, ++this.running);
    try {
      this.onSave(id);
      await new Promise((resolve) => setImmediate(resolve));
      if (this.fault === 'refuses') throw new ChordError('RESOURCE_EXHAUSTED', 'no room');
      if (this.fault === 'throws') throw new TypeError('a defect');
      if (this.fault === 'hangs') await new Promise((_, reject) => signal.addEventListener('abort', reject));
      if (this.fault === 'too late') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      if (this.fault === 'forgets') return;
      this.texts.set(id, this.fault === 'half-written' ? text.slice(0, text.length / 2) : text);
    } finally {
      this.running--;
    }
  }

  async load(id: string): Promise<string | null> {
    if (this.fault === 'load hangs') return new Promise(() => {});
    const text = this.texts.get(id) ?? null;
    return this.fault === 'another' ? `${text} ` : text;
  }

  async *list(prefix: string): AsyncGenerator<string> {
    for (const id of this.texts.keys()) if (id.startsWith(prefix)) yield id;
  }

  async delete(id: string): Promise<boolean> {
    return this.texts.delete(id);
  }

  async close(): Promise<void> {}
}

async function stage(t: ExecutionContext, options: ChordOptions = {}) {
  const at = { now: 1_700_000_000_000 };
  const provider = new Faulty();
  const engine = await openChord({
    ...{ backend: 'memory', cleanupInterval: 0, exportOnExpiry: true, exportTimeout: 60_000, provider },
    clock: () => at.now,
    ...options,
  });
  t.teardown(() => engine.close());
  return { at, provider, ...engine };
}

async function versionOf({ contexts }: Awaited<ReturnType<typeof stage>>, id: string): Promise<number | undefined> {
  const view = await contexts.get(id).catch(() => undefined);
  return view?.head.position.version;
}

test('what expires is exported, then removed, and can be restored as it was', async (t) => {
  const here = await stage(t, { contextAutoDelete: true });
  const { at, contexts, cleanup, transfer, provider } = here;
  await contexts.set('ttl', { n: 1 }, { ttl: MINUTE });
  const { position } = await contexts.set('ttl', { n: 2 });
  await contexts.set('idle', { n: 3 });
  at.now += 2 * MINUTE;
  t.like(await cleanup.run(), { expired: 1, idle: 0, failed: 0 });
  t.is(await versionOf(here, 'ttl'), undefined);
  at.now += 7 * 60 * MINUTE;
  t.like(await cleanup.run(), { expired: 0, idle: 1, failed: 0 });
  t.deepEqual([...provider.texts.keys()].sort(), ['idle', 'ttl']);
  t.deepEqual((await transfer.restore('ttl', false)).position, position);
  t.like(await contexts.sync('ttl', position), { kind: 'no_change' });
});

test('until its export is confirmed an expired context is there, and a write renews it', async (t) => {
  const here = await stage(t);
  const { at, contexts, cleanup, provider } = here;
  provider.fault = 'throws';
  await contexts.set('a', { n: 1 }, { ttl: MINUTE });
  at.now += 2 * MINUTE;
  t.like(await cleanup.run(), { expired: 0, failed: 1 });
  t.is(await versionOf(here, 'a'), 1);
  t.is((await contexts.list('')).heads.length, 1);
  await contexts.update('a', { changes: { m: 2 } });
  provider.fault = undefined;
  at.now += MINUTE - 1;
  t.like(await cleanup.run(), { expired: 0, failed: 0 });
  t.is(await versionOf(here, 'a'), 2);
  at.now += 1;
  t.like(await cleanup.run(), { expired: 1, failed: 0 });
  t.is(await versionOf(here, 'a'), undefined);
});

for (const fault of [
  'refuses',
  'throws',
  'hangs',
  'too late',
  'half-written',
  'forgets',
  'another',
  'load hangs',
] satisfies Fault[]) {
  test(`an external store that ${fault}: nothing is removed before it has recovered, and writes go on`, async (t) => {
    const silent = fault === 'hangs' || fault === 'too late' || fault === 'load hangs';
    const here = await stage(t, silent ? { exportTimeout: 100 } : {});
    const { at, contexts, cleanup, transfer, provider } = here;
    for (let i = 0; i < 30; i++) await contexts.set(`id ${i}`, { i }, { ttl: MINUTE });
    provider.fault = fault;
    at.now += 2 * MINUTE;
    const swept = cleanup.run();
    for (let n = 1; n <= 20; n++) await contexts.set('other', { n });
    t.is(await versionOf(here, 'other'), 20);
    const { expired, failed } = await swept;
    t.is(expired, 0);
    t.true(failed > 0);
    for (let i = 0; i < 30; i++) t.is(await versionOf(here, `id ${i}`), 1);
    t.true(provider.runningMax <= 8);

    provider.fault = undefined;
    // On a busy machine even a store that works may take longer than this timeout, now and then.
    await until(async () => {
      at.now += 2 * MINUTE;
      t.true((await cleanup.run()).failed === 0 || silent);
      return (await contexts.list('id ')).heads.length === 0;
    });
    for (let i = 0; i < 30; i++) {
      t.is(await versionOf(here, `id ${i}`), undefined);
      if (!silent) await transfer.restore(`id ${i}`, false);
      if (!silent) t.is(await versionOf(here, `id ${i}`), 1);
    }
  });
}

test('a write while it is exported saves it', async (t) => {
  const here = await stage(t);
  const { at, contexts, cleanup, provider } = here;
  const writes: Promise<unknown>[] = [];
  provider.onSave = (id) => {
    const touched =
      id === 'touched' ? contexts.touch(id) : contexts.update(id, { changes: { more: true } }, { ttl: 1 });
    writes.push(touched);
    if (id === 'written') at.now += SECOND; // it has expired again, but it is another one than was saved
  };
  await contexts.set('touched', {}, { ttl: MINUTE });
  await contexts.set('written', {}, { ttl: MINUTE });
  at.now += 2 * MINUTE;
  t.like(await cleanup.run(), { expired: 0, failed: 0 });
  await Promise.all(writes);
  t.is(await versionOf(here, 'touched'), 1);
  t.is(await versionOf(here, 'written'), 2);
});

test('while it is away it is asked now and then, and deltas are trimmed all the same', async (t) => {
  const { at, contexts, cleanup, provider } = await stage(t, { deltaThreshold: 1 });
  for (let i = 0; i < 200; i++) await contexts.set(`id ${i}`, {}, { ttl: MINUTE });
  provider.fault = 'throws';
  at.now += 2 * MINUTE;
  for (let n = 0; n < 10; n++) await contexts.set('long', { n });
  const first = await cleanup.run();
  t.like(first, { expired: 0, trimmed: 1, more: true });
  t.true(first.failed >= 8 && first.failed < 20, String(first.failed));
  const saves = provider.saves;
  await cleanup.run();
  await cleanup.tick();
  t.is(provider.saves, saves);
  at.now += 10 * SECOND;
  await cleanup.tick();
  t.true(provider.saves > saves && provider.saves < saves + 20);
  at.now -= 24 * 60 * MINUTE; // a clock that is set back makes nothing wait longer
  provider.fault = undefined;
  at.now += 24 * 60 * MINUTE + 2 * MINUTE;
  t.like(await cleanup.run(), { failed: 0, more: false });
  // The sweeper's own ticks may have been first with some of them.
  t.is(cleanup.status().totals.expired, 200);
});

test('one context that cannot be exported keeps no other one, and is tried again after a minute', async (t) => {
  const here = await stage(t, { maxDocumentBytes: 3_000_000 });
  const { at, contexts, cleanup, provider } = here;
  for (const id of ['a', 'bad', 'c']) await contexts.set(id, {}, { ttl: MINUTE });
  provider.onSave = (id) => {
    if (id === 'bad') throw new ChordError('RESOURCE_EXHAUSTED', 'too large');
  };
  at.now += 2 * MINUTE;
  t.like(await cleanup.run(), { expired: 2, failed: 1, more: false });
  const saves = provider.saves;
  t.like(await cleanup.run(), { expired: 0, failed: 0 });
  t.is(provider.saves, saves);
  at.now += MINUTE;
  t.like(await cleanup.run(), { expired: 0, failed: 1 });
  t.is(await versionOf(here, 'bad'), 1);
});

test('a service that dies in the middle, and comes back', async (t) => {
  const external = await External.start();
  const here = await stage(t, { provider: openRemote(external.url, 20_000) });
  const { at, contexts, cleanup } = here;
  for (let i = 0; i < 40; i++) await contexts.set(`id ${i}`, {}, { ttl: MINUTE });
  at.now += 2 * MINUTE;
  const swept = cleanup.run();
  await until(() => external.saved.size >= 3);
  external.stop();
  const { expired, failed } = await swept;
  t.true(failed > 0);
  t.is((await contexts.list('')).heads.length, 40 - expired);
  t.true(external.saved.size >= expired);
});

test('a stop waits for no external store', async (t) => {
  const { at, contexts, cleanup, provider, close } = await stage(t, { exportTimeout: 600_000 });
  await contexts.set('a', {}, { ttl: MINUTE });
  provider.fault = 'hangs';
  at.now += 2 * MINUTE;
  const saving = new Promise<void>((resolve) => {
    provider.onSave = () => resolve();
  });
  const ticked = cleanup.tick();
  await saving;
  await close();
  await ticked;
  t.is(provider.texts.size, 0);
});

test('it needs an external store', async (t) => {
  await t.throwsAsync(openChord({ backend: 'memory', exportOnExpiry: true }), { instanceOf: ConfigError });
});
