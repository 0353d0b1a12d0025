/** What one delivery to one of many watchers costs: beside a raw broadcast (P4), beside etcd (P5), as they become more (W). */
import { setTimeout as sleep } from 'node:timers/promises';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection } from '../client.js';
import * as etcd from '../etcd.js';
import {
  type Comparison,
  type Curve,
  compare,
  cpuRatio,
  type Figure,
  type Point,
  type Target,
  using,
} from '../figures.js';
import { closeAll, inTurn, open, type Side } from '../load.js';
import { DELTA_TAG, eventOf, put, UPDATE, updateRequest, WATCH, watchRequest } from '../requests.js';
import { startChord, startEcho, startEtcd, startHttp2 } from '../servers.js';
import { fanOut, Listeners, PACE } from '../streams.js';

const WATCHERS = 1000;
const CONNECTIONS = 10;
const ROOM = 'room:1';
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

/** Each watcher on a connection of its own: most of a delivery is one flush of its HTTP/2 session. */
export const p13: Target = {
  id: 'P13',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers, each on a connection of its own`,
  seconds: 40,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const bare = keep(await startHttp2(), (server) => server.stop());
      const ours = keep(await open(chord.address, WATCHERS + 1), closeAll);
      const theirs = keep(await open(bare.address, WATCHERS + 1), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      await theirs[0]!.unary('/bench.Echo/Prepare', await sampleDelta(ours[0]!));
      const watching = await watchers(ours.slice(1), WATCHERS);
      const listening = await broadcastListeners(theirs.slice(1), WATCHERS);
      const load = { watchers: WATCHERS, seconds: plan.seconds, pace: 2 * PACE };
      const sides = await inTurn(plan, {
        Chord: () => fanOut(chord, watching, { ...load, send: updateRoom(ours[0]!) }),
        'node:http2': () => fanOut(bare, listening, { ...load, send: broadcast(theirs[0]!) }),
      });
      const [mine, peer] = [sides.Chord, sides['node:http2']];
      return [cpuRatio('P13', p13.title, 'delivery', mine, peer, 1.1), ...streamFigures('P13', mine, peer)];
    }),
};

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
      for (const count of plan.quick ? [1, 100] : [1, 10, 100, 1000, 10_000]) {
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
      return [
        {
          target: 'W',
          title: 'One-field update to watchers of one context, one after the other',
          along: 'watchers',
          operation: 'delivery',
          lines: [
            { name: 'Chord, LMDB: the update included', points: points.ours },
            { name: `${BROADCAST} of a ready message`, points: points.peer },
          ],
        },
      ];
    }),
};

/** What the streams themselves tell, beside CPU. */
function streamFigures(target: string, ours: Side, peer: Side): Figure[] {
  const figure = (name: string, of: Comparison['of'], unit: string) =>
    compare({ target, name: `the same, ${name}`, of, unit, ours, peer });
  return [
    figure('sent until the writer has its answer, p50', 'answerMs', 'ms'),
    figure('sent until received, p50', 'p50', 'ms'),
    figure('sent until received, p99', 'p99', 'ms'),
    figure('sent until every watcher holds it, p50', 'finalMs', 'ms'),
  ];
}

const NOTHING = Buffer.alloc(0);

/** Numbers go on over rounds, so that each update changes something. */
function updateRoom(connection: Connection): () => Promise<Buffer> {
  return () => connection.unary(UPDATE, updateRequest(ROOM, statusUpdate(updates++)));
}
let updates = 0;

function broadcast(connection: Connection): () => Promise<Buffer> {
  return () => connection.unary('/bench.Echo/Broadcast', NOTHING);
}

function watchers(connections: readonly Connection[], count: number): Promise<Listeners> {
  return Listeners.open(connections, count, {
    path: WATCH,
    body: () => watchRequest(ROOM),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => bytes[0] === DELTA_TAG,
  });
}

function broadcastListeners(connections: readonly Connection[], count: number): Promise<Listeners> {
  return Listeners.open(connections, count, {
    path: '/bench.Echo/Listen',
    body: () => NOTHING,
    opened: (bytes) => bytes.length === 0,
    counts: (bytes) => bytes.length > 0,
  });
}

/** The message that a watcher gets for one update. */
async function sampleDelta(connection: Connection): Promise<Buffer> {
  let received: (bytes: Buffer) => void = () => {};
  const delta = new Promise<Buffer>((resolve) => {
    received = resolve;
  });
  const listeners = await Listeners.open([connection], 1, {
    path: WATCH,
    body: () => watchRequest(ROOM),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => {
      if (bytes[0] === DELTA_TAG) received(Buffer.from(bytes));
      return false;
    },
  });
  await updateRoom(connection)();
  const bytes = await delta;
  listeners.close();
  return bytes;
}
