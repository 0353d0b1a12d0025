/** What a server tells over HTTP of what it did. */

import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import test from 'ava';
import { expose } from '../../src/observability/exposition.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { REDIS_INSTALLED, RedisServer } from '../store/redis/servers.js';
import { Authority, writePair } from '../support/certificates.js';
import { connect, refused, serve, watch } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { parseMetrics, scrape } from '../support/metrics.js';
import { until } from '../support/until.js';

const METRICS = { metricsListen: '127.0.0.1:0' };

test('calls are counted by method and status, with how long they took', async (t) => {
  const { address, metricsAddress } = await serve(t, METRICS);
  const peer = connect(t, address);
  for (let n = 1; n <= 3; n++) await peer.set({ contextId: 'a', value: { n } });
  await peer.get({ contextId: 'a' });
  await refused(peer.get({ contextId: 'none' }));
  await refused(peer.raw({ path: '/chord.v1.ContextService/GetContext', responseDeserialize: String }, Buffer.of(255)));
  const metrics = await scrape(metricsAddress);
  const service = 'chord.v1.ContextService';
  t.is(metrics.value('chord_calls_total', { service, method: 'SetContext', code: 'OK' }), 3);
  t.is(metrics.value('chord_calls_total', { service, method: 'GetContext', code: 'NOT_FOUND' }), 1);
  t.is(metrics.value('chord_calls_total', { service, method: 'GetContext', code: 'INVALID_ARGUMENT' }), 1);
  t.is(metrics.value('chord_calls_total'), 6);
  t.is(metrics.value('chord_calls_refused_total', { code: 'INVALID_ARGUMENT' }), 1);
  t.is(metrics.value('chord_calls_refused_total'), 1);
  t.is(metrics.value('chord_calls_in_flight'), 0);
  t.is(metrics.value('chord_call_duration_seconds_count', { method: 'SetContext' }), 3);
  t.true(metrics.value('chord_call_duration_seconds_sum', { method: 'SetContext' }) > 0);
  t.is(metrics.value('chord_connections_total'), 1);
  t.is(metrics.value('chord_connections'), 1);
});

test('watches are counted by what they were sent', async (t) => {
  const { address, metricsAddress } = await serve(t, { ...METRICS, deltaThreshold: 1000 });
  const writer = connect(t, address);
  await writer.set({ contextId: 'big', value: { ballast: 'b'.repeat(200_000) } });
  await writer.set({ contextId: 'a', value: { n: 0, ballast: 'b'.repeat(10_000) } });
  const [slow, brisk] = [connect(t, address), connect(t, address)];
  const reader = watch(t, slow, { prefix: '' });
  const live = watch(t, brisk, { id: 'a' });
  await Promise.all([reader.caughtUp(), live.caughtUp()]);
  const open = await scrape(metricsAddress);
  t.is(open.value('chord_watch_streams'), 2);
  t.is(open.value('chord_watch_targets'), 2);
  t.is(open.value('chord_calls_in_flight', { method: 'WatchContexts' }), 2);
  t.is(open.value('chord_watch_documents_total', { reason: 'initial' }), 3);
  t.is(open.value('chord_watch_messages_total', { kind: 'caught_up' }), 2);
  t.is(open.value('chord_watch_messages_total', { kind: 'delta' }), 0);
  t.true(open.value('chord_watch_bytes_total') > 220_000);

  reader.call.pause();
  for (let n = 0; n < 30; n++) await writer.set({ contextId: 'big', value: { ballast: `${n % 10}`.repeat(200_000) } });
  for (let n = 1; n <= 150; n++) await writer.update({ contextId: 'a', changes: { n } });
  reader.call.resume();
  for (const each of [reader, live]) await each.until(() => each.copies.get('a')?.position.version === 151);
  const after = await scrape(metricsAddress);
  const received = [...reader.log, ...live.log].flatMap((line) => /^delta \S+ (\d+)-(\d+)$/.exec(line) ?? []);
  const spared = [...reader.log, ...live.log]
    .flatMap((line) => {
      const [, from, to] = /^delta \S+ (\d+)-(\d+)$/.exec(line) ?? [];
      return to === undefined ? [] : Number(to) - Number(from) - 1;
    })
    .filter((more) => more > 0);
  const deltas = received.length / 3;
  t.true(spared.length > 0);
  t.is(after.value('chord_watch_messages_total', { kind: 'merged' }), spared.length);
  t.is(after.value('chord_watch_messages_total', { kind: 'delta' }), deltas - spared.length);
  t.is(
    after.value('chord_watch_merged_versions_total'),
    spared.reduce((sum, more) => sum + more, 0),
  );

  live.cancel();
  await live.end();
  // The server hears of it a moment later than the client.
  let metrics = await scrape(metricsAddress);
  await until(async () => {
    metrics = await scrape(metricsAddress);
    return metrics.value('chord_watch_streams') <= 1;
  });
  t.is(metrics.value('chord_calls_total', { method: 'WatchContexts', code: 'CANCELLED' }), 1);
});

test('on LMDB commits are counted with how many writes shared them', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const { address, metricsAddress } = await serve(t, { ...METRICS, backend: 'lmdb', dataDir, cacheBytes: 20_000 });
  const peer = connect(t, address);
  const writes = Array.from({ length: 200 }, (_, n) => peer.set({ contextId: `c${n % 50}`, value: { n } }));
  await Promise.all(writes);
  for (let n = 0; n < 50; n++) await peer.get({ contextId: `c${n}` });
  await peer.get({ contextId: 'c49' }); // a hit for certain
  const metrics = await scrape(metricsAddress);
  const commits = metrics.value('chord_store_commit_writes_count');
  t.is(metrics.value('chord_store_commit_writes_sum'), 200);
  t.true(commits > 0 && commits < 200, `${commits} commits`);
  t.is(metrics.value('chord_store_commit_duration_seconds_count'), commits);
  t.is(metrics.value('chord_store_writes_waiting'), 0);
  t.is(metrics.value('chord_store_serving'), 1);
  t.is(metrics.value('chord_store_read_only'), 0);
  const cached = metrics.value('chord_cache_contexts');
  t.true(cached > 0 && cached < 50, `${cached} contexts`);
  t.is(
    metrics.value('chord_cache_lookups_total', { result: 'miss' }) - metrics.value('chord_cache_evictions_total'),
    cached,
  );
  t.true(metrics.value('chord_cache_lookups_total', { result: 'hit' }) > 0);
  t.true(metrics.value('chord_cache_bytes') <= 20_000);
});

const onRedis = REDIS_INSTALLED ? test : test.skip;

onRedis('on Redis each write is a round trip', async (t) => {
  const redis = await RedisServer.start();
  t.teardown(() => redis.destroy());
  const { address, metricsAddress } = await serve(t, {
    ...METRICS,
    backend: 'redis',
    redisUrl: redis.url,
    redisTimeout: 20_000,
  });
  const peer = connect(t, address);
  await Promise.all(Array.from({ length: 20 }, (_, n) => peer.set({ contextId: `c${n}`, value: { n } })));
  const metrics = await scrape(metricsAddress);
  t.is(metrics.value('chord_store_commit_duration_seconds_count'), 20);
  t.true(metrics.value('chord_store_commit_duration_seconds_sum') > 0);
  t.is(metrics.value('chord_store_writes_waiting'), 0);
  t.false(metrics.families.has('chord_store_commit_writes'));
});

test('cleanup and exports are counted', async (t) => {
  const exportUrl = `file:${await temporaryDirectory(t)}`;
  const { address, metricsAddress, cleanup } = await serve(t, { ...METRICS, exportUrl });
  const peer = connect(t, address);
  for (let n = 1; n <= 5; n++) await peer.set({ contextId: 'a', value: { n, ballast: 'b'.repeat(n * 100) } });
  await peer.export({ contextId: 'a' });
  await refused(peer.export({ contextId: 'none' }));
  await refused(peer.restore({ contextId: 'a' }));
  t.is((await scrape(metricsAddress)).value('chord_cleanup_runs_total'), 0);
  const { deltas, finishedAt } = await cleanup.run({ options: { deltaThreshold: 1 } });
  const metrics = await scrape(metricsAddress);
  t.is(metrics.value('chord_cleanup_runs_total'), 1);
  t.true(deltas > 0);
  t.is(metrics.value('chord_cleanup_deltas_removed_total'), deltas);
  t.is(metrics.value('chord_cleanup_last_run_timestamp_seconds'), finishedAt / 1000);
  t.is(metrics.value('chord_transfers_total', { operation: 'export', result: 'ok' }), 1);
  t.is(metrics.value('chord_transfers_total', { operation: 'export', result: 'failed' }), 1);
  t.is(metrics.value('chord_transfers_total', { operation: 'restore', result: 'failed' }), 1);
});

test('the process and Node are measured too', async (t) => {
  const { metricsAddress } = await serve(t, METRICS);
  const metrics = await scrape(metricsAddress);
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_heap_size_used_bytes']) {
    t.true(metrics.value(name) > 0, name);
  }
  t.true(metrics.families.has('nodejs_eventloop_lag_p99_seconds'));
});

test('health and readiness follow the process and the store', async (t) => {
  const chord = await serve(t, { ...METRICS, logLevel: 'silent' });
  const ask = async (path: string, method = 'GET') => {
    const response = await fetch(`http://${chord.metricsAddress}${path}`, { method });
    return { status: response.status, text: await response.text() };
  };
  t.deepEqual(await ask('/healthz'), { status: 200, text: 'ok\n' });
  t.deepEqual(await ask('/readyz'), { status: 200, text: 'ok\n' });
  t.is((await ask('/')).status, 404);
  t.is((await ask('/metrics', 'POST')).status, 405);
  const { headers } = await fetch(`http://${chord.metricsAddress}/metrics`, { method: 'POST' });
  t.is(headers.get('allow'), 'GET, HEAD');
  await chord.store.close();
  t.deepEqual(await ask('/readyz'), { status: 503, text: 'the store does not serve: the store is closed\n' });
  t.is((await scrape(chord.metricsAddress)).value('chord_store_serving'), 0);
  t.is((await ask('/healthz')).status, 200);
});

test('on loopback only an address or localhost is answered: a name may be that of a page in a browser', async (t) => {
  const { metricsAddress } = await serve(t, METRICS);
  const port = metricsAddress!.slice(metricsAddress!.lastIndexOf(':') + 1);
  const status = (host: string) =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port, path: '/metrics', headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on('error', reject);
    });
  for (const host of [
    '127.0.0.1',
    `127.0.0.1:${port}`,
    'localhost',
    'LOCALHOST:1',
    '[::1]:9464',
    '[::1]',
    '10.0.0.7',
  ]) {
    t.is(await status(host), 200, host);
  }
  for (const host of ['rebound.example', 'rebound.example:9464', 'localhost.example', '127.0.0.1.example', 'x']) {
    t.is(await status(host), 421, host);
  }
});

test('the port is told in the ready line, and is gone after the stop', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory', '--metrics-listen', '127.0.0.1:0');
  t.teardown(() => server.end('SIGKILL'));
  const [, url] = /, metrics on (http:\S+), ready in \d+ ms$/.exec(server.ready) ?? [];
  t.truthy(url, server.ready);
  t.is((await fetch(url!)).status, 200);
  t.is((await server.end('SIGTERM')).code, 0);
  await t.throwsAsync(fetch(url!));
});

test('metrics are for loopback, unless somebody insists', async (t) => {
  await t.throwsAsync(serve(t, { metricsListen: '0.0.0.0:0' }), {
    message: /metrics on 0\.0\.0\.0:0 are beyond loopback/,
  });
  const { metricsAddress } = await serve(t, { metricsListen: '0.0.0.0:0', insecure: true });
  t.regex(metricsAddress!, /^0\.0\.0\.0:[1-9]/);
  await t.throwsAsync(serve(t, { metricsListen: 'elsewhere' }), { message: /metricsListen: expected HOST:PORT/ });
});

test('labels are escaped', (t) => {
  const label = 'a "quoted\\" \n line';
  const text = expose([{ name: 'chord_x', type: 'gauge', help: 'one\nor \\two', values: [[{ label }, 1]] }]);
  t.is(parseMetrics(text).get('chord_x')?.samples[0]?.labels.label, label);
  t.is(text.split('\n').length, 4);
});

test('docs/metrics.md has each metric, and no other', async (t) => {
  const [dataDir, folder] = await Promise.all([temporaryDirectory(t), temporaryDirectory(t)]);
  const { cert, key } = await writePair(folder, 'server', await (await Authority.create()).issue());
  const parts = { auditLog: join(folder, 'audit.log'), tlsCert: cert, tlsKey: key };
  const chord = await serve(t, { ...METRICS, backend: 'lmdb', dataDir, ...parts });
  await chord.cleanup.run();
  const text = await readFile(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const documented = new Set([...text.matchAll(/^\| `(chord_\w+)/gm)].map(([, name]) => name!));
  const { families } = await scrape(chord.metricsAddress);
  t.deepEqual([...documented].sort(), [...families.keys()].filter((name) => name.startsWith('chord_')).sort());
});

test('docs/dashboard.json asks for nothing that a server does not export', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const chord = await serve(t, { ...METRICS, backend: 'lmdb', dataDir, auditLog: join(dataDir, 'audit.log') });
  await chord.cleanup.run();
  const { families } = await scrape(chord.metricsAddress);
  const dashboard = JSON.parse(await readFile(new URL('../../docs/dashboard.json', import.meta.url), 'utf8'));
  const panels: { title: string; targets?: { expr: string }[] }[] = dashboard.panels;
  const asked = panels.flatMap(({ title, targets = [] }) =>
    targets.flatMap(({ expr }) => {
      const names = [...expr.matchAll(/\b(?:chord|process|nodejs)_\w+/g)].map(([name]) => name);
      t.true(names.length > 0, `${title}: ${expr}`);
      return names;
    }),
  );
  const known = (name: string) => families.has(name) || families.get(withoutSuffix(name))?.type === 'histogram';
  t.deepEqual(
    asked.filter((name) => !known(name)),
    [],
  );
  // And leaves out nothing of Chord's own.
  const shown = new Set(asked.map((name) => (families.has(name) ? name : withoutSuffix(name))));
  t.deepEqual(
    [...families.keys()].filter((name) => name.startsWith('chord_') && !shown.has(name)),
    [],
  );
});

function withoutSuffix(name: string): string {
  return name.replace(/_(bucket|sum|count)$/, '');
}
