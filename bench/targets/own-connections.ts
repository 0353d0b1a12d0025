/** Watchers that each have a connection of their own: what a delivery costs (P13, W), and their return all at once (P15). */
import { setTimeout as sleep } from 'node:timers/promises';
import { broadcast, broadcastListeners, ROOM, sampleDelta, streamFigures, updateRoom, watchers } from '../broadcast.js';
import { chatRoom, statusOf } from '../chatroom.js';
import type { Connection } from '../client.js';
import { type Curve, compare, cpuRatio, type Figure, type Goal, type Point, type Target, using } from '../figures.js';
import { closeAll, inTurn, open, type Sample, type Side } from '../load.js';
import { cpuOf, Latencies, type Process } from '../measure.js';
import { type Contender, centrifugo, chord, type Link, nats, type Start } from '../peers/contenders.js';
import type { Plan } from '../plan.js';
import { RawConnection } from '../raw.js';
import { put } from '../requests.js';
import { find, startChord, startHttp2 } from '../servers.js';
import { fanOut, Listeners, PACE } from '../streams.js';

const WATCHERS = 1000;
const BARE = 'node:http2';

/** Most of a delivery is one flush of the connection. */
export const p13: Target = {
  id: 'P13',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers, each on a connection of its own`,
  seconds: 60,
  run: (plan) =>
    using(async (keep) => {
      const server = keep(await startChord(), (each) => each.stop());
      const bare = keep(await startHttp2(), (each) => each.stop());
      const [writer] = keep(await open(server.address, 1), closeAll);
      const [caster] = keep(await open(bare.address, 1), closeAll);
      await put(writer!, ROOM, chatRoom());
      await caster!.unary('/bench.Echo/Prepare', await sampleDelta(writer!));
      const watching = await watchers(keep(await openRaw(server.address, WATCHERS), closeAll), WATCHERS);
      const listening = await broadcastListeners(keep(await openRaw(bare.address, WATCHERS), closeAll), WATCHERS);
      const load = { watchers: WATCHERS, seconds: plan.seconds, pace: 2 * PACE };
      const runs: Record<string, () => Promise<Sample>> = {
        Chord: () => fanOut(server, watching, { ...load, send: updateRoom(writer!) }),
        [BARE]: () => fanOut(bare, listening, { ...load, send: broadcast(caster!) }),
      };
      let beside: Contender | undefined;
      for (const start of startable(plan, 'P13', { centrifugo })) {
        const peer = await start(keep);
        const heard = await hearAll(peer);
        keep(heard.links, closeAll);
        let writes = 0;
        const send = () => peer.write(writes++, statusOf(writes));
        runs[peer.name] = () => fanOut(peer.server, heard.listeners, { ...load, send });
        beside = peer;
      }
      const sides = await inTurn(plan, runs);
      const [mine, ceiling] = [sides.Chord!, sides[BARE]!];
      const figures = [
        cpuRatio('P13', p13.title, 'delivery', mine, ceiling, 1.1),
        ...streamFigures('P13', mine, ceiling),
      ];
      const peer = beside && sides[beside.name]!;
      if (!peer) return figures;
      return [
        ...figures,
        cpuRatio('P13', 'the same, beside Centrifugo', 'delivery', mine, peer, 1),
        compare({
          target: 'P13',
          name: 'the same, beside Centrifugo, message size',
          of: 'bytesPerOperation',
          unit: 'bytes',
          ours: mine,
          peer,
        }),
        ...streamFigures('P13', mine, peer, 'Centrifugo'),
      ];
    }),
};

interface Growth {
  readonly counts: readonly number[];
  readonly server: Process;
  readonly writer: Connection;
}

/** From one watcher on; the update is included. */
export function ownConnectionGrowth(plan: Plan, { counts, server, writer }: Growth): Promise<Curve['lines']> {
  return using(async (keep) => {
    const bare = keep(await startHttp2(), (each) => each.stop());
    const [caster] = keep(await open(bare.address, 1), closeAll);
    await caster!.unary('/bench.Echo/Prepare', await sampleDelta(writer));
    const points: Record<'ours' | 'peer', Point[]> = { ours: [], peer: [] };
    for (const count of counts.filter((each) => each <= WATCHERS)) {
      const [ours, theirs] = [await openRaw(server.address, count), await openRaw(bare.address, count)];
      const [watching, listening] = [await watchers(ours, count), await broadcastListeners(theirs, count)];
      const load = { watchers: count, seconds: plan.seconds / 2 };
      const progress = (text: string) => plan.progress(`${count.toLocaleString('en')} connections, ${text}`);
      const sides = await inTurn(
        { rounds: plan.rounds, progress },
        {
          Chord: () => fanOut(server, watching, { ...load, send: updateRoom(writer) }),
          [BARE]: () => fanOut(bare, listening, { ...load, send: broadcast(caster!) }),
        },
      );
      points.ours.push({ x: count, ...sides.Chord! });
      points.peer.push({ x: count, ...sides[BARE]! });
      closeAll([...ours, ...theirs]);
      // Until both servers have let go of the connections.
      await sleep(500);
    }
    return [
      { name: 'Chord, LMDB: each watcher on a connection of its own', points: points.ours },
      { name: `${BARE}, a ready message: each on a connection of its own`, points: points.peer },
    ];
  });
}

const BEHIND = 10;

export const p15: Target = {
  id: 'P15',
  title: `${WATCHERS.toLocaleString('en')} clients on connections of their own resume at once, ${BEHIND} versions behind`,
  seconds: 40,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const starts = startable(plan, 'P15', { chord: (each) => chord(each), nats, centrifugo });
      const runs: Record<string, () => Promise<Sample>> = {};
      for (const start of starts) {
        const contender = await start(keep);
        const known = await contender.write(0, 'the last that they have');
        for (let n = 1; n <= BEHIND; n++) await contender.write(n, statusOf(n));
        runs[contender.name] = () => storm(contender, known);
      }
      const sides = await inTurn({ rounds: plan.rounds, progress: plan.progress }, runs);
      const [ours, ...peers] = Object.values(sides) as Side[];
      return peers.flatMap((peer) => {
        const figure = (name: string, of: 'finalMs' | 'bytesPerOperation', unit: string, goal?: Goal) =>
          compare({ target: 'P15', name, of, unit, ours: ours!, peer, ...(goal && { goal }) });
        const goal = { ratioAtMost: peer.name.startsWith('NATS') ? 0.5 : 1 };
        const beside = `beside ${peer.name.split(',')[0]}`;
        return [
          figure(`${p15.title}, until all are current, ${beside}`, 'finalMs', 'ms', goal),
          figure(`the same, messages received, ${beside}`, 'bytesPerOperation', 'bytes/client'),
          cpuRatio('P15', `the same, processor time, ${beside}`, 'client', ours!, peer),
        ];
      });
    }),
};

/** All dial, and each resumes as soon as it is connected. */
async function storm({ server, connect }: Contender, known: unknown): Promise<Sample> {
  const latencies = new Latencies();
  const begin = performance.now();
  let bytes = 0;
  const resume = async () => {
    const link = await connect();
    await link.watch((message) => {
      bytes += message.length;
    }, known);
    latencies.add(performance.now() - begin);
    return link;
  };
  const { cpu, result: links } = await cpuOf(server, () => Promise.all(Array.from({ length: WATCHERS }, resume)));
  const finalMs = performance.now() - begin;
  closeAll(links);
  await sleep(1000);
  return { operations: WATCHERS, seconds: finalMs / 1000, cpu, latencies, bytes, finalMs };
}

export function openRaw(address: string, count: number): Promise<RawConnection[]> {
  return Promise.all(Array.from({ length: count }, () => RawConnection.open(address)));
}

/** The peers that are installed; what is not is noted. */
export function startable(plan: Plan, target: string, peers: Readonly<Record<string, Start>>): Start[] {
  const programs: Record<string, string> = { nats: 'nats-server', centrifugo: 'centrifugo' };
  return Object.entries(peers).flatMap(([name, start]) => {
    const program = programs[name];
    if (program === undefined || find(program)) return [start];
    plan.note(`${target}: without ${program}, which is not installed`);
    return [];
  });
}

async function hearAll(peer: Contender): Promise<{ listeners: Listeners; links: Link[] }> {
  const listeners = new Listeners();
  const links = await Promise.all(Array.from({ length: WATCHERS }, () => peer.connect()));
  await Promise.all(links.map((link) => link.watch((message) => listeners.count(message))));
  return { listeners, links };
}
