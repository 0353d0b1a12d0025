/** What one update costs: beside an echo (P1), beside etcd (P2), as the document grows (P6). */
import { randomUUID } from 'node:crypto';
import { chatRoom, counterUpdate, documentOf, PARTICIPANTS, statusOf, statusUpdate } from '../chatroom.js';
import type { Connection } from '../client.js';
import { deviceNoise } from '../device.js';
import { PUT, putRequest } from '../etcd.js';
import { type Curve, compare, cpuRatio, type Finding, type Keep, type Target, using } from '../figures.js';
import { callInLoop, closeAll, closedLoop, inTurn, open, type Sample, type Side } from '../load.js';
import type { Process } from '../measure.js';
import { createBucket, NatsConnection, putKey, startNats } from '../peers/nats.js';
import type { Plan } from '../plan.js';
import { put, UPDATE, updateRequest } from '../requests.js';
import { builtFile, find, startChord, startEcho, startEtcd } from '../servers.js';

const CONNECTIONS = 4;
const IN_FLIGHT = 50;
const ROOM = 'room:1';
const ANSWER = '/bench.Echo/Answer';

/** Ready requests, taken in turn. */
const updates = Array.from({ length: 1000 }, (_, n) => updateRequest(ROOM, statusUpdate(n)));
const nextUpdate = (n: number) => updates[n % updates.length]!;
/** As every official client calls: each write has an id of its own. */
const nextNamed = (n: number) => updateRequest(ROOM, statusUpdate(n % updates.length), randomUUID());

function drive(server: Process, connections: Connection[], plan: Plan, path: string, body: (n: number) => Uint8Array) {
  return () => closedLoop(server, connections, { path, body, inFlight: IN_FLIGHT, seconds: plan.seconds });
}

export const p1: Target = {
  id: 'P1',
  title: 'UpdateContext, one field of the chat room, durable',
  seconds: 50,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const mended = keep(await startEcho('--mended', builtFile('grpc/node-http2.js')), (server) => server.stop());
      const theirs = keep(await open(echo.address, CONNECTIONS), closeAll);
      const others = keep(await open(mended.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      const answer = await ours[0]!.unary(UPDATE, nextUpdate(0));
      for (const connections of [theirs, others]) await connections[0]!.unary('/bench.Echo/Prepare', answer);
      const sides = await inTurn(plan, {
        'Chord, LMDB': drive(chord, ours, plan, UPDATE, nextUpdate),
        'Chord, LMDB, with request ids': drive(chord, ours, plan, UPDATE, nextNamed),
        'grpc-js echo': drive(echo, theirs, plan, ANSWER, nextUpdate),
        'echo, sessions mended': drive(mended, others, plan, ANSWER, nextUpdate),
      });
      const mine = sides['Chord, LMDB'];
      return [
        cpuRatio('P1', p1.title, 'call', mine, sides['grpc-js echo'], 1.4),
        cpuRatio('P1', 'the same, beside an echo mended as Chord is', 'call', mine, sides['echo, sessions mended']),
        cpuRatio(
          'P1',
          'the same as clients really call, each with a request_id, beside without',
          'call',
          sides['Chord, LMDB, with request ids'],
          mine,
        ),
      ];
    }),
};

export const p2: Target = {
  id: 'P2',
  title: 'UpdateContext, one field, beside etcd Put of the whole document',
  seconds: 28,
  needs: ['etcd'],
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const etcd = keep(await startEtcd(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(etcd.address, CONNECTIONS), closeAll);
      await put(ours[0]!, ROOM, chatRoom());
      const whole = Array.from({ length: 10 }, (_, n) => {
        return putRequest(ROOM, Buffer.from(JSON.stringify(chatRoom(`standup ${n}`))));
      });
      const sides = await inTurn(plan, {
        'Chord, LMDB': drive(chord, ours, plan, UPDATE, nextUpdate),
        'etcd Put': drive(etcd, theirs, plan, PUT, (n) => whole[n % whole.length]!),
      });
      const [mine, peer] = [sides['Chord, LMDB'], sides['etcd Put']];
      return [
        cpuRatio('P2', p2.title, 'call', mine, peer, 0.6),
        compare({
          target: 'P2',
          name: 'the same, throughput',
          of: 'operationsPerSecond',
          unit: 'calls/s',
          ours: mine,
          peer,
          goal: { ratioAtLeast: 1.5 },
        }),
        compare({
          target: 'P2',
          name: 'the same, written to the block device',
          of: 'deviceBytesPerOperation',
          unit: 'bytes/call',
          ours: mine,
          peer,
        }),
      ];
    }),
};

const SIZES = { '1 KB': 1e3, '10 KB': 1e4, '100 KB': 1e5, '1 MB': 1e6 };

export const p6: Target = {
  id: 'P6',
  title: 'one-field update as the document grows',
  seconds: 55,
  run: (plan) =>
    using(async (keep): Promise<Finding[]> => {
      const chord = keep(await startChord(), (server) => server.stop());
      const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
      const runs: Record<string, ReturnType<typeof drive>> = {};
      for (const [n, [name, bytes]] of Object.entries(SIZES).entries()) {
        // Over all connections: the server closes those that make no call.
        await put(connections[n % CONNECTIONS]!, name, documentOf(bytes));
        const requests = Array.from({ length: 1000 }, (_, n) => updateRequest(name, counterUpdate(n)));
        runs[name] = drive(chord, connections, plan, UPDATE, (n) => requests[n % requests.length]!);
      }
      const sides = await inTurn(plan, runs);
      const [smallest, ...larger] = Object.values(sides);
      const curve: Curve = {
        target: 'P6',
        title: 'One-field update of one document, durable',
        along: 'bytes of the document as JSON',
        operation: 'call',
        lines: [{ name: 'Chord, LMDB', points: Object.entries(SIZES).map(([name, x]) => ({ x, ...sides[name]! })) }],
      };
      const figure = (side: Side) => cpuRatio('P6', `one-field update in ${side.name}`, 'call', side, smallest!, 1.5);
      return [...larger.map(figure), curve];
    }),
};

const ROOMS = 1000;

/** What many contexts cost that share a server: their pages on the disk, and their lanes in memory. */
export const p16: Target = {
  id: 'P16',
  title: `UpdateContext, one field, durable, over ${ROOMS.toLocaleString('en')} chat rooms`,
  seconds: 60,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
      const rooms = Array.from({ length: ROOMS }, (_, n) => `rooms:${n}`);
      // Over all connections: the server closes those that make no call.
      await Promise.all([ROOM, ...rooms].map((room, n) => put(connections[n % CONNECTIONS]!, room, chatRoom())));
      let written = 0;
      const next = () => updateRequest(rooms[written % ROOMS]!, statusUpdate(written++));
      const runs: Record<string, () => Promise<Sample>> = {
        'all rooms': drive(chord, connections, plan, UPDATE, next),
        'one room': drive(chord, connections, plan, UPDATE, nextUpdate),
      };
      if (find('nats-server')) Object.assign(runs, await natsWrites(keep, plan));
      else plan.note('P16: without nats-server, which is not installed');
      const noise = await deviceNoise();
      const sides = await inTurn(plan, runs);
      const mine = sides['all rooms']!;
      const callsPerSecond = mine.operationsPerSecond;
      plan.note(
        `P16: before it, other programs wrote ${Math.round(noise / 1000)} KB a second to the block device, ` +
          `${Math.round(noise / callsPerSecond)} bytes for each update of Chord's`,
      );
      const figures = [cpuRatio('P16', p16.title, 'call', mine, sides['one room']!, 1.2)];
      const device = (peer: Side) =>
        compare({
          ...{ target: 'P16', name: `the same, written to the block device, beside ${peer.name}` },
          ...{ of: 'deviceBytesPerOperation', unit: 'bytes/call', ours: mine, peer },
        });
      const beside = [sides[KEYS], sides[WHOLE]].flatMap((peer, n) => {
        if (!peer) return [];
        return [
          cpuRatio('P16', `the same, beside ${peer.name}`, 'call', mine, peer, n === 0 ? 2 : undefined),
          device(peer),
        ];
      });
      return [...figures, device(sides['one room']!), ...beside];
    }),
};

const [KEYS, WHOLE] = ['NATS KV, a key for each field', 'NATS KV, whole documents'];

/** The same field of the same rooms, as a key of its own and with the whole document; each answered when it is synced. */
async function natsWrites(keep: Keep, plan: Plan): Promise<Record<string, () => Promise<Sample>>> {
  const server = keep(await startNats(), (each) => each.stop());
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => NatsConnection.open(server.address)));
  keep(connections, closeAll);
  await createBucket(connections[0]!);
  const documents = Array.from({ length: 10 }, (_, n) => JSON.stringify(chatRoom(`standup ${n}`)));
  const field = (n: number) => `room${n % ROOMS}.participants.user_${n % PARTICIPANTS}.status`;
  const load = { inFlight: IN_FLIGHT, seconds: plan.seconds };
  const run = (write: (connection: NatsConnection, n: number) => Promise<unknown>) => () => {
    const callers = connections.map((connection) => (n: number) => write(connection, n));
    return callInLoop(server, callers, load);
  };
  return {
    [KEYS!]: run((connection, n) => putKey(connection, field(n), JSON.stringify(statusOf(n)))),
    [WHOLE!]: run((connection, n) => putKey(connection, `whole${n % ROOMS}`, documents[n % documents.length]!)),
  };
}
