/** What crowds of clients cost: those that stop reading (P8), those that come back all at once (P9). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../../src/model/model.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection } from '../client.js';
import { type Comparison, compare, cpuRatio, type Figure, ratio, type Target, using } from '../figures.js';
import { closeAll, inTurn, open, type Sample } from '../load.js';
import { cpuOf, Latencies, type Process } from '../measure.js';
import { put, remove, update } from '../requests.js';
import { startChord, startSleepers, type Woken } from '../servers.js';
import { Followers, versionKey } from '../streams.js';

const ROOM = 'room:1';
const MB = 1e6;
const STALLED = 1000;
const HEALTHY = 10;
/** Until the server's heap has the size that it works with. */
const WARM_UP = 10_000;
const FILL = 1500;
const CHURN_WATCHERS = 50;

export const p8: Target = {
  id: 'P8',
  title: `${STALLED.toLocaleString('en')} stalled watchers beside ${HEALTHY} healthy ones`,
  seconds: 95,
  async run({ quick, progress }): Promise<Figure[]> {
    const updates = quick ? 2000 : 10_000;
    const grown: Record<string, number[]> = { stalled: [], alone: [] };
    const woken: Woken[] = [];
    const round = (side: string, stalled: number) => async () => {
      const survived = await survive(stalled, updates);
      grown[side]!.push(survived.growth);
      if (survived.woken) woken.push(survived.woken);
      return survived;
    };
    const loads = { stalled: round('stalled', STALLED), 'without them': round('alone', 0) };
    const sides = await inTurn({ rounds: quick ? 1 : 3, progress, fresh: true }, loads);
    const [ours, peer] = [sides.stalled, sides['without them']];
    const ids = quick ? 5000 : 40_000;
    const [churned, alone] = [await churn(CHURN_WATCHERS, ids), await churn(0, ids)];
    const crowd = `${updates.toLocaleString('en')} updates, ${STALLED.toLocaleString('en')} stalled watchers`;
    const figure = (name: string, more: Pick<Comparison, 'of' | 'unit' | 'goal'>) =>
      compare({ target: 'P8', name: `${crowd}: ${name}`, ours, peer, ...more });
    return [
      ratio({
        target: 'P8',
        name: `${crowd}: memory growth (most)`,
        unit: 'MB',
        ours: Math.max(...grown.stalled!) / MB,
        peer: Math.max(...grown.alone!) / MB,
        against: peer.name,
        goal: { oursAtMost: 64 },
        sides: [ours, peer],
        details: { grown, woken },
      }),
      figure('versions that reach healthy watchers', {
        of: 'operationsPerSecond',
        unit: 'versions/s',
        goal: { ratioAtLeast: 0.9 },
      }),
      figure('sent until a healthy watcher has it, p50', { of: 'p50', unit: 'ms' }),
      figure('sent until a healthy watcher has it, p99', { of: 'p99', unit: 'ms' }),
      ratio({
        target: 'P8',
        name: `${crowd}: what one of them reads when it wakes, to hold the last version`,
        unit: 'bytes',
        ours: Math.max(...woken.map(({ bytes }) => bytes)) / STALLED,
        peer: peer.bytesPerOperation! * updates,
        against: 'a healthy one, meanwhile',
      }),
      ratio({
        target: 'P8',
        name: `${ids.toLocaleString('en')} contexts come and go, ${CHURN_WATCHERS} watchers of their prefix stall: memory growth`,
        unit: 'MB',
        ours: churned / MB,
        peer: alone / MB,
        against: 'without them',
        goal: { oursAtMost: 64 },
      }),
    ];
  },
};

/** Growth of the server's memory, in bytes, while each context lives for a moment only. */
function churn(stalled: number, ids: number): Promise<number> {
  return using(async (keep) => {
    const chord = keep(await startChord({ flags: ['--keepalive-interval', '2h'] }), (server) => server.stop());
    const writers = keep(await open(chord.address, 4), closeAll);
    let next = 0;
    const live = (until: number) => {
      const worker = async (connection: Connection) => {
        for (let n = next++; n < until; n = next++) {
          await put(connection, `churn:${n}`, chatRoom());
          await remove(connection, `churn:${n}`);
        }
      };
      return Promise.all(writers.flatMap((connection) => Array.from({ length: 50 }, () => worker(connection))));
    };
    await live(WARM_UP);
    if (stalled > 0) keep(await startSleepers(chord.address, 'churn:*', stalled, 1), (each) => each.stop());
    next = WARM_UP;
    await live(WARM_UP + FILL);
    const before = chord.memory();
    next = WARM_UP + FILL;
    await live(WARM_UP + FILL + ids);
    return chord.memory() - before;
  });
}

interface Survived extends Sample {
  /** Of the server's memory, in bytes. */
  readonly growth: number;
  readonly woken: Woken | undefined;
}

/** Operations are versions, until every healthy watcher holds the last one. */
function survive(stalled: number, updates: number): Promise<Survived> {
  return using(async (keep) => {
    // Whoever is stopped answers no checks either: those must not end what is measured here.
    const chord = keep(await startChord({ flags: ['--keepalive-interval', '2h'] }), (server) => server.stop());
    const writers = keep(await open(chord.address, 4), closeAll);
    const readers = keep(await open(chord.address, 1), closeAll);
    await put(writers[0]!, ROOM, chatRoom());
    await updateAll(writers, WARM_UP);
    const final = 1 + WARM_UP + FILL + updates;
    const sleepers =
      stalled > 0 ? keep(await startSleepers(chord.address, ROOM, stalled, final), (each) => each.stop()) : undefined;
    const healthy = await Followers.open(readers, HEALTHY, { idOf: () => ROOM });
    await sleep(500);
    const before = chord.memory();
    // What fits between the server and those who sleep is on its way first: then they stand still.
    await updateAll(writers, FILL);
    await healthy.reach(() => final - updates);
    healthy.forget();
    const begin = performance.now();
    const { cpu, result } = await cpuOf(chord, async () => {
      const sent = await updateAll(writers, updates);
      const last = performance.now();
      await healthy.reach(() => final);
      return { sent, finalMs: performance.now() - last };
    });
    const seconds = (performance.now() - begin) / 1000;
    const { sent, finalMs } = result;
    const took = { operations: updates, seconds, cpu, latencies: healthy.latencies(sent), finalMs };
    const growth = chord.memory() - before;
    return { ...took, bytes: healthy.bytes / HEALTHY, growth, woken: await sleepers?.wake() };
  });
}

/** Answers when what made each version was sent. */
async function updateAll(connections: readonly Connection[], updates: number): Promise<Map<string, number>> {
  const sent = new Map<string, number>();
  let next = 0;
  const worker = async (connection: Connection) => {
    for (let n = next++; n < updates; n = next++) {
      const begin = performance.now();
      const { version } = await update(connection, ROOM, statusUpdate(n));
      sent.set(versionKey(ROOM, version), begin);
    }
  };
  await Promise.all(connections.flatMap((connection) => Array.from({ length: 50 }, () => worker(connection))));
  return sent;
}

const CLIENTS = 10_000;
const CONNECTIONS = 50;
const BEHIND = 10;

export const p9: Target = {
  id: 'P9',
  title: `${CLIENTS.toLocaleString('en')} clients resume at once, ${BEHIND} versions behind`,
  seconds: 55,
  run: ({ quick, progress }) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const [writer] = keep(await open(chord.address, 1), closeAll);
      const behind = await put(writer!, ROOM, chatRoom());
      let head = behind;
      for (let n = 0; n < BEHIND; n++) head = await update(writer!, ROOM, statusUpdate(n));
      const sides = await inTurn(
        { rounds: quick ? 1 : 5, progress },
        {
          behind: () => resume(chord, behind, head),
          'the same clients, at the head': () => resume(chord, head, head),
        },
      );
      const [ours, peer] = [sides.behind, sides['the same clients, at the head']];
      return [
        cpuRatio('P9', p9.title, 'client', ours, peer, 1.5),
        compare({
          target: 'P9',
          name: 'the same, until every one holds the head',
          of: 'finalMs',
          unit: 'ms',
          ours,
          peer,
        }),
      ];
    }),
};

/** Over new connections each time: a server takes one that ends streams by the hundred for an attack. */
async function resume(chord: Process, known: Position, head: Position): Promise<Sample> {
  const connections = await open(chord.address, CONNECTIONS);
  const latencies = new Latencies();
  const begin = performance.now();
  const caughtUp = () => latencies.add(performance.now() - begin);
  const { cpu, result } = await cpuOf(chord, async () => {
    const followers = await Followers.open(connections, CLIENTS, { idOf: () => ROOM, known, caughtUp });
    await followers.reach(() => head.version);
    return { bytes: followers.bytes, finalMs: performance.now() - begin };
  });
  closeAll(connections);
  await sleep(1000);
  const { bytes, finalMs } = result;
  return { operations: CLIENTS, seconds: finalMs / 1000, cpu, latencies, bytes, finalMs };
}
