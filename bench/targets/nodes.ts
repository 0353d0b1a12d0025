/** Servers that share one Redis: beside one server on LMDB (P11), and as they become more (N). */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection } from '../client.js';
import {
  type Curve,
  compare,
  cpuRatio,
  type Figure,
  type Keep,
  type Point,
  ratio,
  type Target,
  using,
} from '../figures.js';
import { closeAll, closedLoop, inTurn, open, type Sample } from '../load.js';
import { cpuOf, Latencies, type Process } from '../measure.js';
import { put, UPDATE, update, updateRequest } from '../requests.js';
import { startChord, startRedis } from '../servers.js';
import { Followers, versionKey } from '../streams.js';

const CONTEXTS = 1000;
const IN_FLIGHT = 50;
const ids = Array.from({ length: CONTEXTS }, (_, n) => `room:${n}`);
const updates = ids.map((id, n) => [0, 1, 2].map((k) => updateRequest(id, statusUpdate(n + k))));

export const p11: Target = {
  id: 'P11',
  title: `two servers on one Redis, ${CONTEXTS.toLocaleString('en')} chat rooms`,
  seconds: 45,
  needs: ['redis-server'],
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const redis = keep(await startRedis(), (server) => server.stop());
      const [first, second] = await serversOn(keep, redis, 2);
      const single = keep(await startChord(), (server) => server.stop());
      const onRedis = keep([...(await open(first!.address, 2)), ...(await open(second!.address, 2))], closeAll);
      const onLmdb = keep(await open(single.address, 4), closeAll);
      await Promise.all([onRedis, onLmdb].map(fill));
      const load = { path: UPDATE, body: () => anyUpdate(0, 1), inFlight: IN_FLIGHT, seconds: plan.seconds };
      const own = { cpu: 0, calls: 0 };
      const sides = await inTurn(plan, {
        'two on Redis': async () => {
          const { cpu, result } = await cpuOf(redis, () => closedLoop(together([first!, second!]), onRedis, load));
          own.cpu += cpu;
          own.calls += result.operations;
          return result;
        },
        'one on LMDB': () => closedLoop(single, onLmdb, load),
      });
      const [ours, peer] = [sides['two on Redis'], sides['one on LMDB']];
      const samples = plan.quick ? 200 : 1000;
      plan.progress('one change at a time, across the servers');
      const far = await Followers.open([onRedis[3]!], 1, { idOf: () => ids[0]! });
      const chord = await oneByOne(onRedis[0]!, far, samples);
      far.close();
      const raw = await publishSubscribe(redis, samples);
      plan.progress('a burst, across the servers');
      const near = await burst(onLmdb, onLmdb[3]!, single);
      const across = await burst(onRedis.slice(0, 2), onRedis[3]!, together([first!, second!]));
      const figure = (name: string, unit: string, our: number, their: number, against: string) =>
        ratio({ target: 'P11', name, unit, ours: our, peer: their, against });
      const percentiles = (name: string, mine: Latencies, their: Latencies, against: string) =>
        [0.5, 0.99].map((at) => {
          const [our, other] = [mine.percentiles(at)[0]!, their.percentiles(at)[0]!];
          return figure(`${name}, p${at * 100}`, 'ms', our, other, against);
        });
      const all = `one update of each room: until each has reached the other server's watcher`;
      return [
        cpuRatio('P11', `${p11.title}: both servers`, 'call', ours, peer),
        figure('Redis itself, for each call', 'µs CPU/call', own.cpu / own.calls, ours.cpuPerOperation, 'both servers'),
        compare({ target: 'P11', name: 'the same, updates', of: 'operationsPerSecond', unit: 'calls/s', ours, peer }),
        ...percentiles("sent to one server until the other one's watcher has it", chord, raw, 'PUBLISH to SUBSCRIBE'),
        figure(all, 'ms', across.finalMs!, near.finalMs!, "one on LMDB, the same server's watchers"),
        ...percentiles('in that burst, sent until received', across.latencies, near.latencies, 'one on LMDB'),
      ];
    }),
};

/** Each server takes calls for any room; or each has rooms of its own, as behind a router. */
export const serverGrowth: Target = {
  id: 'N',
  title: 'one update, as the servers on one Redis become more',
  seconds: 80,
  needs: ['redis-server'],
  run: (plan) =>
    using(async (keep): Promise<[Curve]> => {
      const redis = keep(await startRedis(), (server) => server.stop());
      const servers = await serversOn(keep, redis, plan.quick ? 2 : 3);
      const connections: Connection[][] = [];
      for (const server of servers) connections.push(keep(await open(server.address, 4), closeAll));
      await fill(connections.map(([each]) => each!));
      const loads: Record<string, () => Promise<Sample>> = {};
      servers.forEach((_, last) => {
        const [some, count] = [servers.slice(0, last + 1), last + 1];
        const drive = (own: boolean) => async () => {
          const runs = some.map((server, n) => {
            const body = () => (own ? anyUpdate(n, count) : anyUpdate(0, 1));
            const load = { path: UPDATE, inFlight: IN_FLIGHT / count, seconds: plan.seconds };
            return closedLoop(server, connections[n]!, { ...load, body });
          });
          return joined(await Promise.all(runs));
        };
        loads[`any ${count}`] = drive(false);
        loads[`own ${count}`] = drive(true);
      });
      const sides = await inTurn(plan, loads);
      const points = (kind: string) => servers.map((_, n): Point => ({ x: n + 1, ...sides[`${kind} ${n + 1}`]! }));
      return [
        {
          target: 'N',
          title: `One-field updates of ${CONTEXTS.toLocaleString('en')} chat rooms, servers on one Redis`,
          along: 'servers',
          operation: 'call',
          lines: [
            { name: 'any server for any room', points: points('any') },
            { name: 'each server has its own rooms', points: points('own') },
          ],
        },
      ];
    }),
};

async function serversOn(keep: Keep, redis: Process, count: number): Promise<Process[]> {
  const servers: Process[] = [];
  const flags = ['--redis-url', `redis://${redis.address}`];
  for (let n = 0; n < count; n++) {
    servers.push(keep(await startChord({ backend: 'redis', flags }), (server) => server.stop()));
  }
  return servers;
}

async function fill(connections: readonly Connection[]): Promise<void> {
  await Promise.all(ids.map((id, n) => put(connections[n % connections.length]!, id, chatRoom(id))));
}

/** Of the rooms that one of `servers` has: those whose numbers leave that rest. */
function anyUpdate(server: number, servers: number): Uint8Array {
  const room = Math.floor(Math.random() * Math.floor(CONTEXTS / servers)) * servers + server;
  return updates[room]![Math.floor(Math.random() * 3)]!;
}

function together(servers: readonly Process[]): Process {
  return { ...servers[0]!, cpu: () => servers.reduce((sum, server) => sum + server.cpu(), 0) };
}

function joined(samples: readonly Sample[]): Sample {
  const sum = (of: (sample: Sample) => number) => samples.reduce((total, sample) => total + of(sample), 0);
  return {
    operations: sum(({ operations }) => operations),
    seconds: Math.max(...samples.map(({ seconds }) => seconds)),
    cpu: sum(({ cpu }) => cpu),
    latencies: Latencies.of(samples.map(({ latencies }) => latencies)),
  };
}

/** Each update is received before the next one is sent. */
async function oneByOne(writer: Connection, far: Followers, samples: number): Promise<Latencies> {
  const sent = new Map<string, number>();
  for (let n = 0; n < samples; n++) {
    const begin = performance.now();
    const { version } = await update(writer, ids[0]!, statusUpdate(n));
    sent.set(versionKey(ids[0]!, version), begin);
    await far.reach(() => version);
    await sleep(2);
  }
  return far.latencies(sent);
}

/** One update of each room, as quick as it goes, while `reader` watches them all. */
async function burst(writers: readonly Connection[], reader: Connection, servers: Process): Promise<Sample> {
  const followers = await Followers.open([reader], CONTEXTS, { idOf: (n) => ids[n]! });
  followers.forget();
  const sent = new Map<string, number>();
  const versions = new Map<string, number>();
  const begin = performance.now();
  const { cpu } = await cpuOf(servers, async () => {
    const write = async (id: string, n: number) => {
      const start = performance.now();
      const { version } = await update(writers[n % writers.length]!, id, { metadata: { topic: `burst ${begin}` } });
      sent.set(versionKey(id, version), start);
      versions.set(id, version);
    };
    await Promise.all(ids.map(write));
    await followers.reach((id) => versions.get(id)!);
  });
  const finalMs = performance.now() - begin;
  const { bytes } = followers;
  const latencies = followers.latencies(sent);
  followers.close();
  return { operations: CONTEXTS, seconds: finalMs / 1000, cpu, latencies, bytes, finalMs };
}

async function publishSubscribe(redis: Process, samples: number): Promise<Latencies> {
  const [publisher, subscriber] = [new Redis(`redis://${redis.address}`), new Redis(`redis://${redis.address}`)];
  const latencies = new Latencies();
  await subscriber.subscribe('bench');
  for (let n = 0; n < samples; n++) {
    const received = new Promise((resolve) => subscriber.once('message', resolve));
    const begin = performance.now();
    await Promise.all([publisher.publish('bench', 'x'.repeat(120)), received]);
    latencies.add(performance.now() - begin);
    await sleep(2);
  }
  publisher.disconnect();
  subscriber.disconnect();
  return latencies;
}
