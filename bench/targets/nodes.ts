/** Two servers on one Redis beside one server on LMDB; and how long a commit takes to the other server's watcher (P11). */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { chatRoom, statusUpdate } from '../chatroom.js';
import { type Figure, ratio, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, Listeners, open } from '../load.js';
import { Latencies, type Process } from '../measure.js';
import { DELTA_TAG, eventOf, put, UPDATE, updateRequest, WATCH, watchRequest } from '../requests.js';
import { startChord, startRedis } from '../servers.js';

const CONTEXTS = 1000;
const ids = Array.from({ length: CONTEXTS }, (_, n) => `room:${n}`);
const updates = ids.flatMap((id, n) => [0, 1, 2].map((k) => updateRequest(id, statusUpdate(n + k))));

export const p11: Target = {
  id: 'P11',
  title: 'two servers on one Redis, 1,000 chat rooms',
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const redis = keep(await startRedis(), (server) => server.stop());
      const shared = { backend: 'redis', flags: ['--redis-url', `redis://${redis.address}`] } as const;
      const first = keep(await startChord(shared), (server) => server.stop());
      const second = keep(await startChord(shared), (server) => server.stop());
      const single = keep(await startChord(), (server) => server.stop());
      const onRedis = keep([...(await open(first.address, 2)), ...(await open(second.address, 2))], closeAll);
      const onLmdb = keep(await open(single.address, 4), closeAll);
      for (const connections of [onRedis, onLmdb]) {
        await Promise.all(ids.map((id, n) => put(connections[n % 4]!, id, chatRoom(id))));
      }
      const load = {
        path: UPDATE,
        body: () => updates[Math.floor(Math.random() * updates.length)]!,
        inFlight: 50,
        seconds: plan.seconds,
      };
      const sides = await inTurn(plan.rounds, {
        'two on Redis': () => closedLoop(together(first, second), onRedis, load),
        'one on LMDB': () => closedLoop(single, onLmdb, load),
      });
      const [ours, peer] = [sides['two on Redis'], sides['one on LMDB']];
      const samples = plan.quick ? 200 : 1000;
      const chord = await acrossServers(onRedis[0]!, onRedis[3]!, samples);
      const raw = await publishSubscribe(redis, samples);
      const figure = (name: string, unit: string, our: number, their: number, against: string, details?: unknown) =>
        ratio({ target: 'P11', name, unit, ours: our, peer: their, against, details });
      const [ops, cpu] = [ours.operationsPerSecond, ours.cpuPerOperation];
      return [
        figure(`${p11.title}: updates`, 'calls/s', ops, peer.operationsPerSecond, peer.name, { ours, peer }),
        figure('the same, both servers', 'µs CPU/call', cpu, peer.cpuPerOperation, peer.name),
        ...([0.5, 0.99] as const).map((fraction) =>
          figure(
            `update sent to one server until the other one's watcher has it, p${fraction * 100}`,
            'ms',
            chord.percentiles(fraction)[0]!,
            raw.percentiles(fraction)[0]!,
            'PUBLISH to SUBSCRIBE',
          ),
        ),
      ];
    }),
};

function together(a: Process, b: Process): Process {
  return { ...a, cpu: () => a.cpu() + b.cpu() };
}

type Connection = Parameters<typeof closeAll>[0][number];

async function acrossServers(writer: Connection, reader: Connection, samples: number): Promise<Latencies> {
  const latencies = new Latencies();
  const listener = await Listeners.open([reader], 1, {
    path: WATCH,
    body: () => watchRequest(ids[0]!),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => bytes[0] === DELTA_TAG,
  });
  for (let n = 0; n < samples; n++) {
    const received = listener.reach(listener.received + 1);
    const begin = performance.now();
    const answered = writer.unary(UPDATE, updateRequest(ids[0]!, statusUpdate(n)));
    await received;
    latencies.add(performance.now() - begin);
    await answered;
    await sleep(2);
  }
  listener.close();
  return latencies;
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
