/** What one delivery to one of many watchers costs: beside a raw broadcast (P4), beside etcd (P5), as they become more (W); and what its writer waits for (P14). */
import { setTimeout as sleep } from 'node:timers/promises';
import { broadcast, broadcastListeners, ROOM, sampleDelta, streamFigures, updateRoom, watchers } from '../broadcast.js';
import { chatRoom, statusOf } from '../chatroom.js';
import * as etcd from '../etcd.js';
import { type Curve, compare, cpuRatio, type Point, type Target, using } from '../figures.js';
import { closeAll, inTurn, open } from '../load.js';
import { nats } from '../peers/contenders.js';
import { NatsConnection, watchKeys } from '../peers/nats.js';
import { RawConnection } from '../raw.js';
import { put } from '../requests.js';
import { startChord, startEcho, startEtcd } from '../servers.js';
import { fanOut, Listeners, PACE } from '../streams.js';
import { ownConnectionGrowth } from './own-connections.js';

const WATCHERS = 1000;
const CONNECTIONS = 10;
const BROADCAST = 'grpc-js broadcast';

export const p4: Target = {
  id: 'P4',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers`,
  seconds: 30,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(echo.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      await theirs[0]!.unary('/bench.Echo/Prepare', await sampleDelta(ours[0]!));
      const [watching, listening] = [await watchers(ours, WATCHERS), await broadcastListeners(theirs, WATCHERS)];
      const load = { watchers: WATCHERS, seconds: plan.seconds, pace: PACE };
      const sides = await inTurn(plan, {
        Chord: () => fanOut(chord, watching, { ...load, send: updateRoom(ours[0]!) }),
        [BROADCAST]: () => fanOut(echo, listening, { ...load, send: broadcast(theirs[0]!) }),
      });
      const [mine, peer] = [sides.Chord, sides[BROADCAST]];
      return [cpuRatio('P4', p4.title, 'delivery', mine, peer, 1.25), ...streamFigures('P4', mine, peer)];
    }),
};

export const p5: Target = {
  id: 'P5',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers, beside etcd's watch`,
  seconds: 35,
  needs: ['etcd'],
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const peer = keep(await startEtcd(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(peer.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      const watching = await watchers(ours, WATCHERS);
      const listening = await Listeners.open(theirs, WATCHERS, {
        path: etcd.WATCH,
        first: etcd.watchRequest(ROOM),
        opened: etcd.isCreated,
        counts: etcd.isEvent,
      });
      const whole = (n: number) => etcd.putRequest(ROOM, Buffer.from(JSON.stringify(chatRoom(`standup ${n}`))));
      const load = { watchers: WATCHERS, seconds: plan.seconds, pace: PACE };
      const sides = await inTurn(plan, {
        Chord: () => fanOut(chord, watching, { ...load, send: updateRoom(ours[0]!) }),
        'etcd watch': () => fanOut(peer, listening, { ...load, send: (n) => theirs[0]!.unary(etcd.PUT, whole(n)) }),
      });
      const [mine, theirSide] = [sides.Chord, sides['etcd watch']];
      return [
        cpuRatio('P5', p5.title, 'delivery', mine, theirSide, 0.2),
        compare({
          target: 'P5',
          name: 'the same, message size',
          of: 'bytesPerOperation',
          unit: 'bytes/delivery',
          ours: mine,
          peer: theirSide,
          goal: { ratioAtMost: 0.02 },
        }),
        ...streamFigures('P5', mine, theirSide),
      ];
    }),
};

/**
 * What the writer waits for while its change is on the way: on a connection of its own, beside those of the watchers, with
 * a client as light as that of the peer. And what it waits for where one watches: the rest is the fan-out's.
 */
export const p14: Target = {
  id: 'P14',
  title: `the answer to an update while ${WATCHERS.toLocaleString('en')} watch on ${CONNECTIONS} connections`,
  seconds: 40,
  needs: ['nats-server'],
  run: (plan) =>
    using(async (keep) => {
      const server = keep(await startChord(), (each) => each.stop());
      const connections = keep(await open(server.address, CONNECTIONS), closeAll);
      const writer = keep(await RawConnection.open(server.address), (each) => each.close());
      await put(connections[0]!, ROOM, chatRoom());
      const watching = await watchers(connections, WATCHERS);
      const alone = keep(await startChord(), (each) => each.stop());
      const [reader] = keep(await open(alone.address, 1), closeAll);
      const lonely = keep(await RawConnection.open(alone.address), (each) => each.close());
      await put(reader!, ROOM, chatRoom());
      const one = await watchers([reader!], 1);
      const peer = await nats(keep);
      const listening = new Listeners();
      for (const connection of await Promise.all(
        numbered(CONNECTIONS, () => NatsConnection.open(peer.server.address)),
      )) {
        keep(connection, (each) => each.close());
        const onValue = (message: Buffer) => listening.count(message);
        await Promise.all(numbered(WATCHERS / CONNECTIONS, () => watchKeys(connection, { keys: 'room1.>', onValue })));
      }
      const load = { watchers: WATCHERS, seconds: plan.seconds, pace: PACE };
      let writes = 0;
      const write = () => peer.write(writes++, statusOf(writes));
      const sides = await inTurn(plan, {
        Chord: () => fanOut(server, watching, { ...load, send: updateRoom(writer) }),
        'one watcher': () => fanOut(alone, one, { ...load, watchers: 1, send: updateRoom(lonely) }),
        [peer.name]: () => fanOut(peer.server, listening, { ...load, send: write }),
      });
      const both = { target: 'P14', ours: sides.Chord!, peer: sides[peer.name]! };
      return [
        {
          ...compare({ ...both, name: `${p14.title}, p50`, of: 'answerMs', unit: 'ms', goal: { ratioAtMost: 1.5 } }),
          sides: [both.ours, both.peer],
        },
        compare({ ...both, name: 'the same, p99', of: 'answerP99Ms', unit: 'ms' }),
        compare({
          ...{ ...both, peer: sides['one watcher']! },
          ...{ name: 'the same, beside the answer while one watches', of: 'answerMs', unit: 'ms' },
        }),
        cpuRatio('P14', 'the same, processor time', 'delivery', both.ours, both.peer),
        ...streamFigures('P14', both.ours, both.peer).slice(1),
      ];
    }),
};

function numbered<T>(count: number, make: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => make(n));
}

/** From one watcher on. The peer has no contexts: it writes to all streams that are open. */
export const watcherGrowth: Target = {
  id: 'W',
  title: 'one delivery, as the watchers become more',
  seconds: 75,
  run: (plan) =>
    using(async (keep): Promise<[Curve]> => {
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const [writer] = keep(await open(chord.address, 1), closeAll);
      const [caster] = keep(await open(echo.address, 1), closeAll);
      await put(writer!, ROOM, chatRoom());
      await caster!.unary('/bench.Echo/Prepare', await sampleDelta(writer!));
      const points: Record<'ours' | 'peer', Point[]> = { ours: [], peer: [] };
      const counts = plan.quick ? [1, 100] : [1, 10, 100, 1000, 10_000];
      for (const count of counts) {
        const [ours, theirs] = [await open(chord.address, CONNECTIONS), await open(echo.address, CONNECTIONS)];
        const [watching, listening] = [await watchers(ours, count), await broadcastListeners(theirs, count)];
        const load = { watchers: count, seconds: plan.seconds / 2 };
        const progress = (text: string) => plan.progress(`${count.toLocaleString('en')} watchers, ${text}`);
        const sides = await inTurn(
          { rounds: plan.rounds, progress },
          {
            Chord: () => fanOut(chord, watching, { ...load, send: updateRoom(writer!) }),
            [BROADCAST]: () => fanOut(echo, listening, { ...load, send: broadcast(caster!) }),
          },
        );
        points.ours.push({ x: count, ...sides.Chord });
        points.peer.push({ x: count, ...sides[BROADCAST] });
        closeAll([...ours, ...theirs]);
        // Until both servers have let go of the streams.
        await sleep(500);
      }
      const apart = await ownConnectionGrowth(plan, { counts, server: chord, writer: writer! });
      return [
        {
          target: 'W',
          title: 'One-field update to watchers of one context, one after the other',
          along: 'watchers',
          operation: 'delivery',
          lines: [
            { name: 'Chord, LMDB: the update included', points: points.ours },
            { name: `${BROADCAST} of a ready message`, points: points.peer },
            ...apart,
          ],
        },
      ];
    }),
};
