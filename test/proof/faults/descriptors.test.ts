/** A process without file descriptors left: those that it has go on, new connections are closed, and nothing stays behind. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { connect, Reader } from '../../support/chord.js';
import { scrape } from '../../support/metrics.js';
import { until } from '../../support/until.js';
import { workersOf } from './clients.js';
import { COLUMNS, FULL, place, start } from './places.js';

/** From now on this process can open so many descriptors more; undefined: as many as it could. */
function limit(pid: number, more?: number): void {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
  let soft = 4096;
  if (more !== undefined) {
    // The lowest number that is free is given next, and there may be gaps.
    soft = 0;
    for (let free = 0; taken.has(soft) || free++ < more; ) soft++;
  }
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${soft}:`]);
}

/** Connections that say nothing; each resolves when it is closed. */
function crowd(t: ExecutionContext, address: string, count: number): { sockets: Socket[]; ends: Promise<unknown>[] } {
  const [host, port] = address.split(':') as [string, string];
  const sockets = Array.from({ length: count }, () =>
    connectTcp(Number(port), host)
      .on('error', () => {})
      .resume(),
  );
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  return { sockets, ends: sockets.map((socket) => once(socket, 'close')) };
}

if (process.platform === 'linux') {
  for (const column of COLUMNS) {
    for (const who of column.workers === 0 ? ['server'] : FULL ? ['engine', 'workers'] : ['workers']) {
      test(`the ${who} without file descriptors left goes on, and takes connections again (${column.name})`, async (t) => {
        const server = await start(t, column, await place(t, column), { args: ['--metrics-listen', '127.0.0.1:0'] });
        const metrics = /metrics on http:\/\/(\S+)\/metrics/.exec(server.ready)![1]!;
        const peer = connect(t, server.address);
        await peer.set({ contextId: 'a', value: { n: 0 } });
        const reader = new Reader(peer, { prefix: '' });
        await reader.caughtUp();
        const before = (await scrape(metrics)).value('chord_connections')!;
        const limited = who === 'workers' ? workersOf(server.pid) : [server.pid];
        for (const pid of limited) limit(pid, 2);

        const { sockets, ends } = crowd(t, server.address, 40);
        // Two for each process at most; those that come to a process that has none left are closed.
        await Promise.any(ends);
        for (let n = 1; n <= 20; n++) {
          const { position } = await peer.update({ contextId: 'a', changes: { n } });
          await reader.at('a', position);
        }
        t.deepEqual(await peer.document('a'), { n: 20 });
        if (who === 'workers') {
          // Each second a worker reports what it uses, for which the kernel needs a descriptor.
          const cpu = async () => (await scrape(metrics)).value('chord_worker_cpu_seconds_total')!;
          const reported = async (since: number) => {
            await peer.update({ contextId: 'a', changes: { since } });
            return (await cpu()) > since;
          };
          for (let n = 0; n < 2; n++) {
            const since = await cpu();
            await until(() => reported(since), 'what the workers use');
          }
          t.is((await scrape(metrics)).value('chord_worker_restarts_total'), 0);
        }

        for (const pid of limited) limit(pid);
        for (const socket of sockets) socket.destroy();
        const late = connect(t, server.address);
        await until(() => late.document('a').catch(() => undefined), 'a server that serves again');
        await until(
          async () => (await scrape(metrics)).value('chord_connections') === before + 1,
          'every connection that was closed is counted as closed',
        );
        reader.cancel();
        late.client.close();
        t.is((await server.end('SIGTERM')).code, 0);
      });
    }
  }

  test('an engine without file descriptors left lives on without workers, and starts them again', async (t) => {
    const column = { name: 'LMDB, workers', store: 'lmdb', workers: 2 } as const;
    const server = await start(t, column, await place(t, column));
    const early = connect(t, server.address);
    await early.set({ contextId: 'a', value: { n: 1 } });
    early.client.close();
    // Not even those that the workers leave.
    execFileSync('prlimit', ['--pid', `${server.pid}`, '--nofile=3:']);
    for (const pid of workersOf(server.pid)) process.kill(pid, 'SIGKILL');
    await server.said('EMFILE');
    limit(server.pid);
    const late = connect(t, server.address);
    await until(() => late.document('a').catch(() => undefined), 'a server that serves again');
    late.client.close();
    t.is((await server.end('SIGTERM')).code, 0);
  });
} else {
  test.skip('file descriptors are limited on Linux only', () => {});
}
