/** A server whose connections are served by worker processes: `chord serve --workers 2`. */
import { execFileSync } from 'node:child_process';
import { connect as connectTcp } from 'node:net';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { connect, Reader, refused, serve } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { scrape } from '../support/metrics.js';
import { until } from '../support/until.js';

async function start(t: ExecutionContext, ...args: string[]) {
  const server = await startServer(
    ...['--backend', 'memory', '--listen', '127.0.0.1:0', '--workers', '2'],
    ...['--metrics-listen', '127.0.0.1:0', ...args],
  );
  t.teardown(() => server.end('SIGKILL'));
  const metrics = /metrics on http:\/\/(\S+)\/metrics/.exec(server.ready)![1]!;
  return { server, metrics, workers: () => workersOf(server.pid) };
}

function workersOf(pid: number): number[] {
  return execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
}

test('a killed worker takes its own connections only; their watches resume elsewhere, and it is started again', async (t) => {
  const { server, metrics, workers } = await start(t);
  const before = workers();
  t.is(before.length, 2);
  const writer = connect(t, server.address);
  await writer.set({ contextId: 'a', value: { n: 0 } });
  const peers = Array.from({ length: 3 }, () => connect(t, server.address));
  const readers = peers.map((peer) => new Reader(peer, { id: 'a' }));
  await Promise.all(readers.map((reader) => reader.caughtUp()));
  process.kill(before[0]!, 'SIGKILL');
  const ended = await Promise.race(readers.map((reader) => reader.end()));
  t.is(ended.code, status.UNAVAILABLE);
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, n) =>
      writer.update({ contextId: 'a', changes: { n: n + 1 } }).then(
        () => 'written',
        ({ code }) => (code === status.UNAVAILABLE ? 'not' : t.fail(`${code}`)),
      ),
    ),
  );
  // The connection of the writer may have been that worker's. gRPC reconnects by itself.
  if (outcomes.includes('not')) await writer.update({ contextId: 'a', changes: { n: 11 } });
  const { context } = await writer.get({ contextId: 'a' });
  let resumed = 0;
  await Promise.all(
    readers.map(async (reader, i) => {
      const lives = await reader.at('a', context!.position).then(
        () => true,
        () => false,
      );
      const next = lives ? reader : Reader.resume(peers[i]!, { id: 'a' }, reader.copies);
      if (!lives) resumed++;
      await next.at('a', context!.position);
      t.deepEqual(next.copies.get('a')!.value, context!.value);
    }),
  );
  t.true(resumed === 1 || resumed === 2, `${resumed} of 3`);
  await until(async () => {
    const seen = await scrape(metrics);
    return seen.value('chord_worker_restarts_total') === 1 && seen.value('chord_workers') === 2;
  }, 'a worker in its place');
  t.false(workers().includes(before[0]!));
});

test('connections that a killed worker has not taken yet are closed, so that their clients connect again', async (t) => {
  const { server, workers } = await start(t);
  const [stopped] = workers() as [number];
  process.kill(stopped, 'SIGSTOP');
  const [host, port] = server.address.split(':') as [string, string];
  let served = 0;
  let onServed = () => {};
  const ends = Array.from({ length: 20 }, () => {
    const socket = connectTcp(Number(port), host).on('error', () => {});
    t.teardown(() => socket.destroy());
    return new Promise<string>((resolve) => {
      socket.once('close', () => resolve('closed'));
      socket.once('data', () => {
        served++;
        onServed();
        resolve('served');
      });
    });
  });
  // Each worker gets the half of them.
  while (served < 10) {
    await new Promise<void>((resolve) => {
      onServed = resolve;
    });
  }
  process.kill(stopped, 'SIGKILL');
  const closed = (await Promise.all(ends)).filter((end) => end === 'closed');
  t.is(closed.length, 10);
});

test('the workers end with the engine, however it ends', async (t) => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const { server } = await start(t);
    const reader = new Reader(connect(t, server.address), { id: 'a' });
    await reader.caughtUp();
    // The output of the server is theirs, too: it is closed when all have ended.
    const { code } = await server.end(signal);
    t.is(code, signal === 'SIGTERM' ? 0 : null);
    t.is((await reader.end()).code, status.UNAVAILABLE);
  }
});

test('quotas, limits and metrics are those of the whole server', async (t) => {
  const chord = await serve(t, { workers: 2, quotas: { streams: 2 }, metricsListen: '127.0.0.1:0' });
  const peers = Array.from({ length: 4 }, () => connect(t, chord.address));
  const readers: Reader[] = [];
  for (const peer of peers.slice(0, 2)) {
    readers.push(new Reader(peer, { id: 'a' }));
    await readers.at(-1)!.caughtUp();
  }
  for (const peer of peers.slice(2)) {
    const { code } = await new Reader(peer, { id: 'a' }).end();
    t.is(code, status.RESOURCE_EXHAUSTED);
    const refusal = await refused(peer.get({ contextId: 'a' }));
    t.is(refusal.reason, 'NOT_FOUND');
  }
  const seen = await scrape(chord.metricsAddress!);
  t.is(seen.value('chord_connections'), 4);
  t.is(seen.value('chord_watch_streams'), 2);
  t.is(seen.value('chord_calls_total', { method: 'GetContext', code: 'NOT_FOUND' }), 2);
});
