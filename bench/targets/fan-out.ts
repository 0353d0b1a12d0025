/** What one delivery to one of many watchers costs: beside a raw broadcast (P4), beside etcd (P5). */
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection } from '../client.js';
import * as etcd from '../etcd.js';
import { cpuRatio, ratio, type Target, using } from '../figures.js';
import { closeAll, fanOut, inTurn, Listeners, open } from '../load.js';
import { DELTA_TAG, eventOf, put, UPDATE, updateRequest, WATCH, watchRequest } from '../requests.js';
import { startChord, startEcho, startEtcd } from '../servers.js';

const WATCHERS = 1000;
const CONNECTIONS = 10;
const ROOM = 'room:1';

export const p4: Target = {
  id: 'P4',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers`,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(echo.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      const watching = await watchers(ours);
      const listening = await Listeners.open(theirs, WATCHERS, {
        path: '/bench.Echo/Listen',
        body: () => NOTHING,
        opened: (bytes) => bytes.length === 0,
        counts: (bytes) => bytes.length > 0,
      });
      await theirs[0]!.unary('/bench.Echo/Prepare', await sampleDelta(ours));
      await watching.reach(WATCHERS);
      const count = 50 * plan.seconds;
      const sides = await inTurn(plan.rounds, {
        Chord: () => fanOut(chord, watching, WATCHERS, count, updateRoom(ours[0]!)),
        'grpc-js broadcast': () =>
          fanOut(echo, listening, WATCHERS, count, () => theirs[0]!.unary('/bench.Echo/Broadcast', NOTHING)),
      });
      return [cpuRatio('P4', p4.title, 'delivery', sides.Chord, sides['grpc-js broadcast'], 1.25)];
    }),
};

export const p5: Target = {
  id: 'P5',
  title: `one-field update to ${WATCHERS.toLocaleString('en')} watchers, beside etcd's watch of the whole document`,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const peer = keep(await startEtcd(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(peer.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      const watching = await watchers(ours);
      const listening = await Listeners.open(theirs, WATCHERS, {
        path: etcd.WATCH,
        first: etcd.watchRequest(ROOM),
        opened: etcd.isCreated,
        counts: etcd.isEvent,
      });
      const whole = (n: number) => etcd.putRequest(ROOM, Buffer.from(JSON.stringify(chatRoom(`standup ${n}`))));
      const count = 50 * plan.seconds;
      const sides = await inTurn(plan.rounds, {
        Chord: () => fanOut(chord, watching, WATCHERS, count, updateRoom(ours[0]!)),
        'etcd watch': () => fanOut(peer, listening, WATCHERS, count, (n) => theirs[0]!.unary(etcd.PUT, whole(n))),
      });
      return [
        cpuRatio('P5', p5.title, 'delivery', sides.Chord, sides['etcd watch'], 0.2),
        ratio({
          target: 'P5',
          name: 'the same, message size',
          unit: 'bytes/delivery',
          ours: watching.bytes / watching.received,
          peer: listening.bytes / listening.received,
          against: 'etcd watch',
          goal: { ratioAtMost: 0.02 },
        }),
      ];
    }),
};

const NOTHING = Buffer.alloc(0);

/** Numbers go on over rounds, so that each update changes something. */
function updateRoom(connection: Connection): () => Promise<Buffer> {
  return () => connection.unary(UPDATE, updateRequest(ROOM, statusUpdate(updates++)));
}
let updates = 0;

export function watchers(connections: readonly Connection[], count = WATCHERS, id = ROOM): Promise<Listeners> {
  return Listeners.open(connections, count, {
    path: WATCH,
    body: () => watchRequest(id),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => bytes[0] === DELTA_TAG,
  });
}

/** The message that a watcher gets for one update. */
async function sampleDelta(connections: readonly Connection[]): Promise<Buffer> {
  let received: (bytes: Buffer) => void = () => {};
  const delta = new Promise<Buffer>((resolve) => {
    received = resolve;
  });
  let ready: () => void = () => {};
  const caughtUp = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const stream = connections[0]!.stream(
    WATCH,
    (bytes) => {
      if (bytes[0] === DELTA_TAG) received(Buffer.from(bytes));
      else if (eventOf(bytes).$case === 'caughtUp') ready();
    },
    watchRequest(ROOM),
  );
  await caughtUp;
  await updateRoom(connections[0]!)();
  const bytes = await delta;
  stream.cancel();
  return bytes;
}
