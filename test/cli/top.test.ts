/** `chord top`, and the stream that it shows, on real servers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { paint } from '../../src/cli/output/styled-text.js';
import { statsLines } from '../../src/cli/output/top-table.js';
import { widthOf } from '../../src/cli/output/width.js';
import { AdminServiceService } from '../../src/gen/chord/v1/admin_service.js';
import type { Stats } from '../../src/gen/chord/v1/stats.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { ALL, guarded } from '../support/access.js';
import { bytesOf, connect, type Peer, refused, serve, watch } from '../support/chord.js';
import { chord, hasTerminals, MAIN, Running, startServer } from '../support/cli.js';

const method = AdminServiceService.watchStats;
const UNAVAILABLE = 14;

/** The stream of stats: an async iterator that is cancelled by its end. */
function look(peer: Peer, ms: number) {
  const request = bytesOf(method, { interval: { seconds: 0, nanos: ms * 1e6 } });
  return peer.client.makeServerStreamRequest(
    method.path,
    (bytes: Buffer) => bytes,
    (bytes) => method.responseDeserialize(bytes).stats!,
    request,
    peer.metadata,
    {},
  );
}

test('counts of an interval are those of its calls, and the hottest contexts come first', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const { address } = await serve(t, { backend: 'lmdb', dataDir });
  const peer = connect(t, address);
  await peer.set({ contextId: 'before', value: {} });
  const reader = watch(t, peer, { prefix: 'h' });
  const other = watch(t, peer, { id: 'hot' });
  await Promise.all([reader.caughtUp(), other.caughtUp()]);
  const stream = look(connect(t, address), 100);
  const seen: Stats[] = [];
  for await (const stats of stream as AsyncIterable<Stats>) {
    seen.push(stats);
    if (seen.length === 1) {
      await watch(t, peer, { id: 'later' }).caughtUp();
      for (let n = 0; n < 20; n++) await peer.set({ contextId: 'hot', value: { n } });
      for (let n = 0; n < 10; n++) await peer.get({ contextId: 'warm' }).catch(() => {});
      await reader.until(() => reader.copies.get('hot')?.value.n === 19);
    }
    if (sumOf(seen, 'GetContext').calls === 10) break;
  }
  const sets = sumOf(seen, 'SetContext');
  t.is(sets.calls, 20);
  t.is(sets.failed, 0);
  t.is(sumOf(seen, 'GetContext').failed, 10);
  const timed = seen.flatMap(({ methods }) => methods).filter(({ median }) => median);
  t.true(timed.length > 0 && timed.every(({ median, p99 }) => median!.nanos > 0 && p99!.nanos >= median!.nanos));
  const add = (of: (stats: Stats) => number) => seen.reduce((sum, stats) => sum + of(stats), 0);
  t.is(
    add(({ store }) => store!.writes),
    20,
  );
  t.is(
    add(({ watches }) => watches!.deltas + watches!.documents),
    40,
  );
  const busiest = seen.flatMap(({ hottest }) => hottest[0] ?? []);
  t.like(busiest[0], { contextId: 'hot', watchers: 2 });
  t.true(busiest[0]!.writesPerSecond > 0);
  t.true(busiest.every(({ contextId }) => contextId === 'hot' || contextId === 'warm'));
  const last = seen.at(-1)!;
  t.false(seen.flatMap(({ hottest }) => hottest).some(({ contextId }) => contextId === 'before'));
  t.like(last.server, { backend: 'lmdb', connections: 2 });
  t.like(last.watches, { streams: 3, targets: 3 }, 'also what was opened later');
  t.like(last.store, { serving: true, readOnly: false });
  t.is(last.methods.find(({ method }) => method.endsWith('WatchContexts'))!.inFlight, 3);
});

function sumOf(seen: readonly Stats[], name: string): { calls: number; failed: number } {
  const found = seen.flatMap(({ methods }) => methods).filter(({ method }) => method.endsWith(`/${name}`));
  const sum = (key: 'calls' | 'failed') => found.reduce((all, each) => all + each[key], 0);
  return { calls: sum('calls'), failed: sum('failed') };
}

test('it takes the right admin, and an interval within bounds', async (t) => {
  const { as, tokens } = await guarded(t, {
    ann: { '': ['admin'] },
    bob: { '': ALL.filter((right) => right !== 'admin') },
  });
  const first = async (peer: Peer, ms: number) => {
    for await (const stats of look(peer, ms) as AsyncIterable<Stats>) return stats;
    return undefined;
  };
  t.truthy((await first(as(tokens.ann), 100))?.server?.version);
  t.is((await refused(first(as(tokens.bob), 100))).code, 7);
  t.deepEqual((await refused(first(as(tokens.ann), 99))).fields, ['interval']);
});

test('a stop ends the stream at once, and a stream that was left is forgotten', async (t) => {
  const chord = await serve(t, { shutdownGrace: 60_000 });
  const left = look(connect(t, chord.address), 100) as AsyncIterable<Stats>;
  for await (const _ of left) break;
  const hour = look(connect(t, chord.address), 999);
  const ended = refused(
    (async () => {
      for await (const _ of hour as AsyncIterable<Stats>);
    })(),
  );
  // It has begun when a call after it is answered.
  await connect(t, chord.address).list({});
  await chord.close();
  t.is((await ended).code, UNAVAILABLE);
});

test('top --once --json prints one object', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const once = ['top', '--once', '--interval', '200ms', '--address', server.address];
  const { code, stdout, stderr } = await chord([...once, '--json']);
  t.is(code, 0, stderr);
  const stats = JSON.parse(stdout);
  t.is(stdout.trimEnd().split('\n').length, 1);
  t.like(stats, { server: { backend: 'memory', connections: 1 }, store: { serving: true }, watches: { streams: 0 } });
  t.true(stats.elapsedMs >= 100 && stats.server.residentBytes > 1e6 && stats.server.eventLoopDelayMs >= 0);
  const text = await chord(once);
  t.regex(text.stdout, /^chord \d+\.\d+\.\d+ {2}127\.0\.0\.1:\d+ {2}memory {2}up \d+ s {2}serving\nprocess /);
  t.regex(text.stdout, /\nMETHOD +CALLS\/S +NOT OK\/S +IN FLIGHT +MEDIAN +P99\nAdminService\/WatchStats /);
});

test('top goes on until it is interrupted, and ends well', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const top = new Running(['top', '--json', '--interval', '100ms', '--address', server.address]);
  const [first, second] = [await top.json(), await top.json()];
  t.true(Date.parse(String(second.takenAt)) > Date.parse(String(first.takenAt)));
  t.deepEqual(await top.end('SIGINT'), { code: 0, stderr: '' });
});

test('q ends it on a terminal', async (t) => {
  if (!hasTerminals(t)) return;
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const command = `${process.execPath} ${MAIN} top --interval 100ms --address ${server.address}`;
  const terminal = spawn('script', ['-qec', command, '/dev/null']);
  t.teardown(() => terminal.kill('SIGKILL'));
  const exit = once(terminal, 'exit');
  let shown = '';
  await new Promise<void>((resolve) => {
    terminal.stdout.on('data', (chunk) => {
      shown += chunk;
      if (shown.includes('METHOD')) resolve();
    });
  });
  terminal.stdin.write('q');
  t.deepEqual(await exit, [0, null]);
});

test('the lines fit the screen, with what is busiest', (t) => {
  const duration = { seconds: 0, nanos: 1_500_000 };
  const methods = Array.from({ length: 30 }, (_, n) => {
    return { method: `chord.v1.S/M${n}`, calls: n, failed: 0, inFlight: 0, median: duration, p99: undefined };
  });
  const hottest = Array.from({ length: 20 }, (_, n) => {
    return {
      contextId: n === 0 ? 'a\u001b[2J' : `c${n}`,
      writesPerSecond: 2000 - n,
      readsPerSecond: 0.25,
      watchers: n,
    };
  });
  const stats: Stats = {
    ...{ takenAt: { seconds: 100_000, nanos: 0 }, elapsed: { seconds: 2, nanos: 0 }, methods, hottest },
    server: {
      ...{ version: '1.2.3', backend: 'lmdb', startedAt: { seconds: 0, nanos: 0 }, connections: 3, cpu: 0.123 },
      ...{ residentBytes: 2 ** 30, heapBytes: 2 ** 20, eventLoopDelay: duration },
    },
    watches: { streams: 1, targets: 2, deltas: 3, merged: 4, documents: 5, bytes: 3000 },
    store: {
      ...{ serving: false, readOnly: false, detail: 'gone', waiting: 0, commits: 0, writes: 0 },
      ...{ median: undefined, p99: undefined },
    },
    cache: { contexts: 1, bytes: 2, hits: 3, misses: 1, evicted: 0 },
  };
  for (const rows of [1, 5, 10, 24, 100]) t.true(statsLines(stats, 'here:1', rows).length <= rows);
  const lines = statsLines(stats, 'here:1', 24).map((line) => paint(line, { colour: false, width: 80 }));
  t.is(lines[0], 'chord 1.2.3  here:1  lmdb  up 1 d 3 h  gone');
  t.is(lines[7], 'METHOD  CALLS/S  NOT OK/S  IN FLIGHT   MEDIAN  P99');
  t.is(lines[8], 'S/M29      14.5         0          0  1.50 ms    -');
  const heading = lines.findIndex((line) => line.startsWith('CONTEXT'));
  t.is(lines[heading + 1], '"a\\u001b[2J"     2,000      0.3         0');
  t.true(lines.every((line) => line.length <= 80));
  const loaded: Stats = {
    ...stats,
    methods: [{ ...methods[0]!, method: 'chord.v1.ContextService/UpdateContext', calls: 2_000_000, inFlight: 10_000 }],
    hottest: [{ ...hottest[0]!, contextId: '語'.repeat(100) }],
    watches: { streams: 10_000, targets: 20_000, deltas: 3e6, merged: 4e6, documents: 5e6, bytes: 3e9 },
  };
  const narrow = statsLines(loaded, 'here:1', 24, 80).map((line) => paint(line, { colour: false }));
  t.true(narrow.every((line) => widthOf(line) <= 80));
  const shown = narrow.join('\n');
  for (const number of ['10000 streams', '1,500,000 deltas/s', '2,500,000 documents/s', '1.4 GiB/s', '1,000,000']) {
    t.true(shown.includes(number), number);
  }
  t.regex(shown, /\n語+… {2,}2,000 +0.3 +0\n?/);
});
