/** Readers that stall, readers that leave, and a server that stops: nothing piles up, nothing stays behind. */
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, type Peer, Reader, serve, watch } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { until } from '../support/until.js';

const CANCELLED = 1;
const UNAVAILABLE = 14;
const MIB = 2 ** 20;
const LISTEN = ['--listen', '127.0.0.1:0'];

/** The process's own memory, in bytes. Undefined, and a line in the log, where the system does not tell. */
function memoryOf(t: ExecutionContext, pid: number): number | undefined {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
  } catch {
    t.log('skipped: no /proc/PID/status with RssAnon');
    return undefined;
  }
}

test('a reader that stalls for 10,000 updates costs the server nothing, and then gets one message', async (t) => {
  const server = await startServer(...LISTEN, '--data-dir', await temporaryDirectory(t));
  t.teardown(() => server.end('SIGKILL'));
  const [writer, slow, brisk] = [0, 1, 2].map(() => connect(t, server.address)) as [Peer, Peer, Peer];
  // No two texts have much in common at their start or end: a splice would be small.
  const text = (n: number) => String(n).padStart(8, '0').repeat(1024);
  let version = 0;
  const write = async (count: number): Promise<void> => {
    const lane = async (): Promise<void> => {
      while (version < count) {
        const n = ++version;
        await writer.update({ contextId: 'a', changes: { [`f${n % 3}`]: text(n) }, allowMissing: true });
      }
    };
    await Promise.all(Array.from({ length: 20 }, lane));
  };
  await write(1);
  const reader = watch(t, slow, { id: 'a' });
  await reader.caughtUp();
  const live = watch(t, brisk, { id: 'a' });
  await live.caughtUp();
  // Nothing is read from now on: the flow control of HTTP/2 stops the server.
  reader.call.pause();

  // The heap of a young process grows whatever it does, and any heap may grow once.
  const memory: (number | undefined)[] = [];
  for (const count of [6_000, 11_000, 16_000]) {
    await write(count);
    memory.push(memoryOf(t, server.pid));
  }
  const [first, second, last] = memory;
  // The updates between two looks are 40 MiB alone.
  if (first && second && last) {
    const growth = Math.min(second - first, last - second);
    t.true(growth < 20 * MIB, `${memory.map((bytes) => Math.round(bytes! / MIB))} MiB`);
  }

  const { context } = await writer.get({ contextId: 'a' });
  t.is(context!.position!.version, 16_000);
  await live.at('a', context!.position);
  reader.call.resume();
  await reader.at('a', context!.position);
  t.deepEqual(reader.copies.get('a')!.value, context!.value);
  const [, , ...since] = reader.log;
  // First what HTTP/2 had let through before it stopped, then all the rest at once.
  t.true(since.length < 100, `${since.length} messages`);
  const versions = since.flatMap((line) => /^delta a \d+-(\d+)$/.exec(line)?.[1] ?? []);
  t.true(Math.max(...versions.map(Number)) < 2_000);
  t.is(since.at(-1), 'full HISTORY_TRUNCATED a');
});

test('a reader that stalls for a while gets one merged delta', async (t) => {
  const { address } = await serve(t, { deltaThreshold: 1000 });
  const writer = connect(t, address);
  await writer.set({ contextId: 'big', value: { ballast: 'b'.repeat(200_000) } });
  const { position } = await writer.set({ contextId: 'a', value: { n: 0, ballast: 'b'.repeat(10_000) } });
  const reader = watch(t, connect(t, address), { prefix: '' });
  await reader.until(() => reader.log.includes('caughtUp'));
  reader.call.pause();
  // More than HTTP/2 lets through, and more messages than the client takes in advance.
  for (let n = 0; n < 30; n++) await writer.set({ contextId: 'big', value: { ballast: `${n % 10}`.repeat(200_000) } });
  for (let n = 1; n <= 150; n++) await writer.update({ contextId: 'a', changes: { n } });
  reader.call.resume();
  await reader.until(() => reader.copies.get('a')?.position.version === 151);
  t.deepEqual(await writer.document('a'), reader.copies.get('a')!.value);
  t.is(position!.version, 1);
  t.deepEqual(
    reader.log.filter((line) => line.startsWith('delta a')),
    ['delta a 1-151'],
  );
});

test('streams that are cancelled at any moment leave nothing behind', async (t) => {
  const chord = await serve(t);
  const peer = connect(t, chord.address);
  await Promise.all(
    Array.from({ length: 300 }, (_, i) => peer.set({ contextId: `c${i}`, value: { text: 'x'.repeat(5000) } })),
  );
  const settled = () => until(() => chord.streams === 0);
  const warmUp = watch(t, peer, { prefix: '' });
  await warmUp.caughtUp();
  warmUp.cancel();
  await settled();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();

  let writing = true;
  const writer = (async () => {
    for (let n = 0; writing; n++) await peer.update({ contextId: `c${n % 300}`, changes: { n } });
  })();
  // Not before the event loop has turned: what the client cancels in the same turn it sends, and never takes back.
  const moments: ((reader: Reader) => Promise<void>)[] = [
    () => new Promise((resolve) => setImmediate(resolve)),
    (reader) => reader.until(() => reader.log.length > 0),
    (reader) => reader.until(() => reader.log.length > 20),
    (reader) => reader.caughtUp(),
    (reader) => reader.until(() => reader.log.some((line) => line.startsWith('delta'))),
    async (reader) => {
      reader.call.pause();
      await peer.get({ contextId: 'c0' });
    },
  ];
  for (let cycle = 0; cycle < 200; cycle++) {
    const reader = new Reader(peer, cycle % 3 === 0 ? { id: 'c1' } : { prefix: cycle % 3 === 1 ? '' : 'c1' });
    const moment = moments[cycle % moments.length]!;
    // One context has no twenty messages to wait for.
    await (cycle % 3 === 0 && moment === moments[2] ? moments[3]! : moment)(reader);
    reader.cancel();
  }
  writing = false;
  await writer;
  await settled();
  t.is(chord.hub.watched, 0);
  // The client's end of HTTP/2 takes its time; a heartbeat that was left behind would never stop.
  await until(() => timers() <= before + 2);
});

test('a stop says goodbye to every stream, lets calls end and keeps what they wrote', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const server = await startServer(...LISTEN, '--data-dir', dataDir, '--shutdown-grace', '20s');
  t.teardown(() => server.end('SIGKILL'));
  const peer = connect(t, server.address);
  await peer.set({ contextId: 'a', value: { n: 0 } });
  const readers = Array.from({ length: 5 }, () => watch(t, peer, { id: 'a' }));
  await Promise.all(readers.map((reader) => reader.caughtUp()));
  const writes = Array.from({ length: 200 }, (_, i) => peer.update({ contextId: 'a', changes: { [`w${i}`]: i } }));
  await Promise.race(writes);
  server.send('SIGTERM');
  const ends = await Promise.all(readers.map((reader) => reader.end()));
  t.deepEqual(
    ends.map(({ code }) => code),
    Array(5).fill(UNAVAILABLE),
  );
  for (const { log } of readers) t.is(log.at(-1), 'closing');
  t.is((await server.end()).code, 0);
  const answered = await Promise.allSettled(writes);

  const again = await startServer(...LISTEN, '--data-dir', dataDir);
  t.teardown(() => again.end('SIGTERM'));
  const document = await connect(t, again.address).document('a');
  const lost = answered.flatMap(({ status }, i) => (status === 'fulfilled' && document[`w${i}`] !== i ? [i] : []));
  t.deepEqual(lost, []);
});

test('a stop does not wait for a reader that stalls', async (t) => {
  // Nothing but the grace may end its connection.
  const server = await startServer(
    ...LISTEN,
    '--backend',
    'memory',
    '--shutdown-grace',
    '2s',
    '--keepalive-interval',
    '2h',
  );
  t.teardown(() => server.end('SIGKILL'));
  const [writer, slow] = [connect(t, server.address), connect(t, server.address)];
  await writer.set({ contextId: 'a', value: { text: 'x'.repeat(500_000) } });
  const reader = watch(t, slow, { id: 'a' });
  await reader.caughtUp();
  reader.call.pause();
  for (let n = 0; n < 40; n++) await writer.set({ contextId: 'a', value: { text: `${n % 10}`.repeat(500_000) } });
  const { code, stderr } = await server.end('SIGTERM');
  t.is(code, 0, stderr);
  // Its connection was cut: it never came to read the goodbye.
  reader.call.resume();
  t.true([CANCELLED, UNAVAILABLE].includes((await reader.end()).code));
});

test('watches that are opened while the server stops end too', async (t) => {
  const chord = await serve(t, { shutdownGrace: 20_000 });
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'a', value: {} });
  const held = watch(t, peer, { id: 'a' });
  await held.caughtUp();
  const closing = chord.close();
  const late = Array.from({ length: 20 }, () => watch(t, peer, { id: 'a' }));
  const ends = await Promise.all([held, ...late].map((reader) => reader.end()));
  t.deepEqual([...new Set(ends.map(({ code }) => code))], [UNAVAILABLE]);
  await closing;
  t.is(chord.streams, 0);
  t.is(chord.hub.watched, 0);
});
