/** CleanupService over a socket, and what watchers see of cleanup. */
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { CleanupReason, CleanupServiceService as cleanup } from '../../src/gen/chord/v1/cleanup_service.js';
import type { Position } from '../../src/model/model.js';
import { bytesOf, connect, type Method, type Peer, refused, serve, watch } from '../support/chord.js';

function call<Q, A>(peer: Peer, method: Method<Q, A>, request: Partial<Q> = {}): Promise<A> {
  return peer.raw(method, bytesOf(method, request));
}

test('a watcher hears that a context has expired, without anyone asking for it', async (t) => {
  const { address } = await serve(t);
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 1 } });
  const reader = watch(t, peer, { prefix: '' });
  await reader.caughtUp();
  // From now on: on a busy machine a second is over before a watch has begun.
  await peer.touch({ contextId: 'a', ttl: { seconds: 1, nanos: 0 } });
  await reader.until(() => reader.log.includes('deleted EXPIRED a'));
  t.deepEqual(reader.log, ['full INITIAL a', 'caughtUp', 'deleted EXPIRED a']);
  const { status: now } = await call(peer, cleanup.getCleanup);
  t.like(now?.totals, { contextsExpired: 1, deltas: 1 });
});

test('run, start, stop, update and get, with the settings and what was asked for', async (t) => {
  let now = 1_000_000_000_000;
  const { address } = await serve(t, { clock: () => now, cleanupInterval: 0, deltaThreshold: 5 });
  const peer = connect(t, address);
  for (let n = 1; n <= 20; n++) await peer.set({ contextId: 'a', value: { n } });
  await peer.set({ contextId: 'b', value: {} });

  const first = (await call(peer, cleanup.getCleanup)).status;
  t.like(first, { running: false, nextRunAt: undefined, lastRun: undefined, runs: 0 });
  t.deepEqual(first?.options, {
    contextAutoDelete: false,
    contextTtl: { seconds: 6 * 3600, nanos: 0 },
    deltaTtl: { seconds: 24 * 3600, nanos: 0 },
    deltaThreshold: 5,
    requestTtl: { seconds: 3600, nanos: 0 },
    deltaRetention: 'none',
  });

  const dry = (await call(peer, cleanup.runCleanup, { dryRun: true })).result;
  t.deepEqual(dry?.contexts, [{ contextId: 'a', reason: CleanupReason.TRIMMED, deltas: 15 }]);
  t.is((await peer.history('a')).deltas.length, 20);
  const real = (await call(peer, cleanup.runCleanup)).result;
  t.deepEqual(real, { ...dry, dryRun: false });
  t.deepEqual(
    (await peer.history('a')).deltas.map(({ to }) => to?.version),
    [16, 17, 18, 19, 20],
  );

  now += 7_200_000;
  const options = { contextAutoDelete: true, contextTtl: { seconds: 7200, nanos: 0 } };
  const settings = { deltaTtl: undefined, deltaThreshold: undefined, requestTtl: undefined };
  const removed = (
    await call(peer, cleanup.runCleanup, { limit: 1, prefix: 'b', options: { ...options, ...settings } })
  ).result;
  t.deepEqual(removed?.contexts, [{ contextId: 'b', reason: CleanupReason.IDLE, deltas: 1 }]);

  const interval = { seconds: 2, nanos: 500_000_000 };
  const started = (await call(peer, cleanup.startCleanup, { interval, options: { ...options, ...settings } })).status;
  t.like(started, { running: true, interval, runs: 2 });
  t.deepEqual(started?.nextRunAt, { seconds: (now + 2_500) / 1000 - 0.5, nanos: 500_000_000 });
  t.like(started?.options, { contextAutoDelete: true, deltaThreshold: 5 });
  t.is((await refused(call(peer, cleanup.startCleanup))).code, status.FAILED_PRECONDITION);

  const reader = watch(t, peer, { id: 'a' });
  await reader.caughtUp();
  now += 2_500;
  await reader.until(() => reader.log.includes('deleted EXPIRED a'));
  const stopped = (await call(peer, cleanup.stopCleanup)).status;
  t.like(stopped, { running: false, runs: 3, totals: { contextsIdle: 2, contextsTrimmed: 1, deltas: 21 } });
  t.like(stopped?.lastRun, { more: false, dryRun: false, contexts: [] });
  t.like((await call(peer, cleanup.stopCleanup)).status, { running: false });
  const updated = (await call(peer, cleanup.updateCleanup, { interval: { seconds: 60, nanos: 0 } })).status;
  t.like(updated, { running: false, interval: { seconds: 60, nanos: 0 }, options: { contextAutoDelete: true } });
});

test('what cannot be is refused, with the field that is at fault', async (t) => {
  const { address } = await serve(t);
  const peer = connect(t, address);
  const none = {
    contextAutoDelete: undefined,
    contextTtl: undefined,
    deltaTtl: undefined,
    deltaThreshold: undefined,
    requestTtl: undefined,
  };
  const short = { seconds: 0, nanos: 1 };
  const cases = [
    [() => call(peer, cleanup.updateCleanup, { interval: short }), 'interval'],
    [() => call(peer, cleanup.startCleanup, { interval: { seconds: -5, nanos: 0 } }), 'interval'],
    [() => call(peer, cleanup.runCleanup, { options: { ...none, deltaTtl: short } }), 'options.delta_ttl'],
    [() => call(peer, cleanup.updateCleanup, { options: { ...none, contextTtl: short } }), 'options.context_ttl'],
    [() => call(peer, cleanup.runCleanup, { options: { ...none, deltaThreshold: 0 } }), 'options.delta_threshold'],
    [() => call(peer, cleanup.runCleanup, { prefix: 'x'.repeat(600) }), 'prefix'],
    [
      () => call(peer, cleanup.updateCleanup, { options: { ...none, deltaRetention: '1h' } }),
      'options.delta_retention',
    ],
    [
      () => call(peer, cleanup.runCleanup, { options: { ...none, deltaRetention: '1h:2h' } }),
      'options.delta_retention',
    ],
  ] as const;
  for (const [attempt, field] of cases) {
    const { code, fields } = await refused(attempt());
    t.is(code, status.INVALID_ARGUMENT, field);
    t.deepEqual(fields, [field]);
  }
});

test('tiers of retention are set by a call, and by another one taken back', async (t) => {
  let now = 1_800_000_000_000;
  const { address, contexts } = await serve(t, { clock: () => now, cleanupInterval: 0, deltaThreshold: 5 });
  const peer = connect(t, address);
  const filler = 'x'.repeat(2000);
  for (let n = 1; n <= 30; n++, now += 20_000) await peer.set({ contextId: 'a', value: { n, filler } });
  const positions = (await peer.history('a')).deltas.map(({ to }) => to);
  const set = async (deltaRetention: string) =>
    (await call(peer, cleanup.updateCleanup, { options: { deltaRetention } as never })).status;
  t.like(await set('1m:all,1h:2m'), {
    overridden: true,
    options: { deltaRetention: '1m:all,1h:2m', deltaThreshold: 5 },
  });
  now += 100_000;
  const { result } = await call(peer, cleanup.runCleanup);
  // Five periods of two minutes, of six versions each: all but the last of each go, as far as they are over for a minute.
  t.like(result, { counts: { contextsTrimmed: 1, failed: 0 } });
  const { deltas } = await peer.history('a');
  t.is(deltas.length + (result?.counts?.deltas ?? 0), 30);
  t.true(deltas.length < 20, `${deltas.length}`);
  // Further back than the threshold, which counts deltas.
  let reached = 30;
  const kept = new Set(deltas.map(({ to }) => to?.version));
  for (const known of positions.slice(15, 29)) {
    const version = known?.version ?? 0;
    const missing = deltas.filter(({ to }) => (to?.version ?? 0) > version).length;
    const { kind } = await contexts.sync('a', known as Position);
    t.is(kind, kept.has(version) && missing <= 5 ? 'delta' : 'full', `${version}`);
    if (kind === 'delta') reached = Math.min(reached, version);
  }
  t.is(reached, 18);
  t.like(await set('none'), { options: { deltaRetention: 'none' } });
  t.like((await call(peer, cleanup.runCleanup)).result, { counts: { failed: 0 } });
});

test('a stalled watcher whose deltas are trimmed meanwhile gets the document, and misses nothing', async (t) => {
  const { address, contexts } = await serve(t);
  const peer = connect(t, address);
  const pad = 'x'.repeat(2_000);
  await peer.set({ contextId: 'a', value: { n: 0, pad } });
  const reader = watch(t, peer, { id: 'a' });
  await reader.caughtUp();
  const known = reader.copies;
  reader.cancel();
  for (let n = 1; n <= 30; n++) await peer.update({ contextId: 'a', changes: { n } });
  const options = { contextAutoDelete: undefined, contextTtl: undefined, deltaTtl: undefined, requestTtl: undefined };
  await call(peer, cleanup.runCleanup, { options: { ...options, deltaThreshold: 3 } });
  const back = watch(t, peer, { id: 'a' }, new Map([...known].map(([id, { position }]) => [id, position])));
  await back.caughtUp();
  t.deepEqual(back.log, ['full HISTORY_TRUNCATED a', 'caughtUp']);
  const { head } = await contexts.get('a');
  for (let n = 31; n <= 40; n++) {
    await peer.update({ contextId: 'a', changes: { n } });
    await call(peer, cleanup.runCleanup, { options: { ...options, deltaThreshold: 1 } });
  }
  await back.until(() => back.copies.get('a')?.position.version === head.position.version + 10);
  t.deepEqual(back.copies.get('a')?.value, { n: 40, pad });
});
