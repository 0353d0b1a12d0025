/** What crowds of clients cost: those that stop reading (P8), those that come back all at once (P9). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../../src/model.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection, Stream } from '../client.js';
import { cpuRatio, type Figure, ratio, type Target, using } from '../figures.js';
import { closeAll, inTurn, open, type Sample } from '../load.js';
import { cpuOf, Latencies, median, type Process } from '../measure.js';
import { eventOf, put, UPDATE, update, updateRequest, WATCH, watchRequest } from '../requests.js';
import { startChord, startSleepers } from '../servers.js';

const ROOM = 'room:1';
const MB = 1e6;
const STALLED = 1000;
const HEALTHY = 10;
const WARM_UP = 2000;
const FILL = 1500;

export const p8: Target = {
  id: 'P8',
  title: `${STALLED.toLocaleString('en')} stalled watchers beside ${HEALTHY} healthy ones`,
  async run(plan): Promise<Figure[]> {
    const updates = plan.quick ? 2000 : 10_000;
    const runs: { with: Survived; without: Survived }[] = [];
    for (let round = 0; round < (plan.quick ? 1 : 3); round++) {
      runs.push({ with: await survive(STALLED, updates), without: await survive(0, updates) });
    }
    const of = (side: 'with' | 'without', key: keyof Survived) => median(runs.map((run) => run[side][key]));
    const crowd = `${updates.toLocaleString('en')} updates beside ${STALLED.toLocaleString('en')} stalled watchers`;
    return [
      ratio({
        target: 'P8',
        name: `${crowd}: memory growth`,
        unit: 'MB',
        ours: of('with', 'growth') / MB,
        peer: of('without', 'growth') / MB,
        against: 'without them',
        goal: { oursAtMost: 64 },
        details: runs,
      }),
      ratio({
        target: 'P8',
        name: `${crowd}: versions that reach healthy watchers`,
        unit: 'versions/s',
        ours: of('with', 'rate'),
        peer: of('without', 'rate'),
        against: 'without them',
        goal: { ratioAtLeast: 0.9 },
      }),
    ];
  },
};

interface Survived {
  /** Of the server's memory, in bytes. */
  readonly growth: number;
  /** Versions a second, until every healthy watcher has the last one. */
  readonly rate: number;
}

function survive(stalled: number, updates: number): Promise<Survived> {
  return using(async (keep) => {
    // Whoever is stopped answers no checks either: those must not end what is measured here.
    const chord = keep(await startChord({ flags: ['--keepalive-interval', '2h'] }), (server) => server.stop());
    const writers = keep(await open(chord.address, 4), closeAll);
    const readers = keep(await open(chord.address, 1), closeAll);
    await put(writers[0]!, ROOM, chatRoom());
    await updateAll(writers, WARM_UP);
    if (stalled > 0) keep(await startSleepers(chord.address, ROOM, stalled), (sleepers) => sleepers.stop());
    const final = 1 + WARM_UP + FILL + updates;
    const healthy = await Promise.all(times(HEALTHY, () => watch(readers[0]!, undefined, final)));
    await sleep(500);
    const before = chord.memory();
    // What fits between the server and those who sleep is on its way first: then they stand still.
    await updateAll(writers, FILL);
    const begin = performance.now();
    await updateAll(writers, updates);
    await Promise.all(healthy.map(({ reached }) => reached));
    const seconds = (performance.now() - begin) / 1000;
    return { growth: chord.memory() - before, rate: updates / seconds };
  });
}

async function updateAll(connections: readonly Connection[], updates: number): Promise<void> {
  let sent = 0;
  const worker = async (connection: Connection) => {
    for (let n = sent++; n < updates; n = sent++) await connection.unary(UPDATE, updateRequest(ROOM, statusUpdate(n)));
  };
  await Promise.all(connections.flatMap((connection) => times(50, () => worker(connection))));
}

const CLIENTS = 10_000;
const CONNECTIONS = 50;
const BEHIND = 10;

export const p9: Target = {
  id: 'P9',
  title: `${CLIENTS.toLocaleString('en')} clients resume at once, ${BEHIND} versions behind`,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
      const behind = await put(connections[0]!, ROOM, chatRoom());
      let head = behind;
      for (let n = 0; n < BEHIND; n++) head = await update(connections[0]!, ROOM, statusUpdate(n));
      const sides = await inTurn(plan.quick ? 1 : 3, {
        behind: () => resume(chord, connections, behind),
        'the same clients, at the head': () => resume(chord, connections, head),
      });
      return [cpuRatio('P9', p9.title, 'client', sides.behind, sides['the same clients, at the head'], 1.5)];
    }),
};

async function resume(chord: Process, connections: readonly Connection[], known: Position): Promise<Sample> {
  const latencies = new Latencies();
  const begin = performance.now();
  const { cpu, result } = await cpuOf(chord, () =>
    Promise.all(
      times(CLIENTS, async (n) => {
        const opened = await watch(connections[n % connections.length]!, known);
        latencies.add(performance.now() - begin);
        return opened;
      }),
    ),
  );
  const seconds = (performance.now() - begin) / 1000;
  for (const { stream } of result) stream.cancel();
  await sleep(1000);
  return { operations: CLIENTS, seconds, cpu, latencies };
}

/** Resolves when it has caught up; `reached` resolves when it has that version. */
function watch(
  connection: Connection,
  known?: Position,
  version?: number,
): Promise<{ stream: Stream; reached: Promise<void> }> {
  return new Promise((resolve, reject) => {
    let arrive = () => {};
    const reached = new Promise<void>((done) => {
      arrive = done;
    });
    const onMessage = (bytes: Buffer) => {
      const event = eventOf(bytes);
      if (event.$case === 'caughtUp') resolve({ stream, reached });
      if (event.$case === 'delta' && event.value.to?.version === version) arrive();
      if (event.$case === 'full' && event.value.context?.position?.version === version) arrive();
    };
    const stream = connection.stream(WATCH, onMessage, watchRequest(ROOM, known));
    stream.ended.catch(reject);
  });
}

function times<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}
