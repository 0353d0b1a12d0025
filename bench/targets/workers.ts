/**
 * What a machine of two cores could do with workers (P12). The load generator takes one of them, so throughput says little;
 * the capacity is computed from processor time: no process may take more than one core, and all together not more than two.
 */
import { ROOM, updateRoom } from '../broadcast.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import { compare, type Figure, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open, type Sample } from '../load.js';
import type { Process } from '../measure.js';
import { DELTA_TAG, eventOf, put, UPDATE, updateRequest, WATCH, watchRequest } from '../requests.js';
import { startChord } from '../servers.js';
import { fanOut, Listeners, PACE } from '../streams.js';

const CORES = 2;
const WATCHERS = 1000;

async function withCapacity(server: Process, run: () => Promise<Sample>): Promise<Sample> {
  const before = server.cpuOfEach();
  const sample = await run();
  const spent = server.cpuOfEach().map((cpu, i) => cpu - (before[i] ?? 0));
  const busiest = Math.max(...spent, spent.reduce((sum, cpu) => sum + cpu, 0) / CORES);
  return { ...sample, capacity: (sample.operations / busiest) * 1e6 };
}

export const p12: Target = {
  id: 'P12',
  title: 'capacity of two cores with workers, beside one process',
  seconds: 90,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const sides: Record<string, () => Promise<Sample>> = {};
      for (const workers of [0, 1, 2]) {
        const server = keep(await startChord({ flags: ['--workers', `${workers}`] }), (each) => each.stop());
        const connections = keep(await open(server.address, 10), closeAll);
        const writers = keep(await open(server.address, 4), closeAll);
        await put(writers[0]!, ROOM, chatRoom());
        const watching = await Listeners.open(connections, WATCHERS, {
          path: WATCH,
          body: () => watchRequest(ROOM),
          opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
          counts: (bytes) => bytes[0] === DELTA_TAG,
        });
        const send = updateRoom(writers[0]!);
        const load = { watchers: WATCHERS, seconds: plan.seconds, pace: PACE, send };
        sides[`deliveries, ${workers}`] = () => withCapacity(server, () => fanOut(server, watching, load));
        sides[`at full speed, ${workers}`] = () => fanOut(server, watching, { ...load, pace: 0 });
        // Without watchers: another context. Over all connections: the server closes those that make no call.
        await Promise.all(writers.map((writer) => put(writer, 'room:2', chatRoom())));
        const body = (n: number) => updateRequest('room:2', statusUpdate(n));
        const loop = { path: UPDATE, body, inFlight: 50, seconds: plan.seconds };
        sides[`updates, ${workers}`] = () => withCapacity(server, () => closedLoop(server, writers, loop));
      }
      const measured = await inTurn(plan, sides);
      const figure = (what: string, workers: number, goal: number): Figure => ({
        ...compare({
          ...{ target: 'P12', name: `${what}, --workers ${workers}`, of: 'capacity', unit: `${what}/s` },
          ours: measured[`${what}, ${workers}`]!,
          peer: measured[`${what}, 0`]!,
          goal: { ratioAtLeast: goal },
        }),
        against: 'one process',
      });
      const measuredRate = (workers: number): Figure => ({
        ...compare({
          ...{ target: 'P12', name: `deliveries beside the load generator, --workers ${workers}` },
          ...{ of: 'operationsPerSecond', unit: 'deliveries/s' },
          ours: measured[`at full speed, ${workers}`]!,
          peer: measured['at full speed, 0']!,
        }),
        against: 'one process',
      });
      return [
        measuredRate(1),
        measuredRate(2),
        figure('deliveries', 2, 1.7),
        figure('updates', 2, 1.3),
        figure('deliveries', 1, 0.95),
        figure('updates', 1, 0.95),
      ];
    }),
};
