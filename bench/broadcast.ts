/** One room, those who watch it, and the ceiling beside them: streams to which a ready message is written. */
import { statusUpdate } from './chatroom.js';
import type { Connection } from './client.js';
import { type Comparison, compare, type Figure } from './figures.js';
import type { Side } from './load.js';
import { DELTA_TAG, eventOf, UPDATE, updateRequest, WATCH, watchRequest } from './requests.js';
import { type Caller, Listeners } from './streams.js';

export const ROOM = 'room:1';

/** What the streams themselves tell, beside CPU; `beside` names the peer where a target has several. */
export function streamFigures(target: string, ours: Side, peer: Side, beside?: string): Figure[] {
  const same = beside === undefined ? 'the same' : `the same, beside ${beside}`;
  const figure = (name: string, of: Comparison['of'], unit: string) =>
    compare({ target, name: `${same}, ${name}`, of, unit, ours, peer });
  return [
    figure('sent until the writer has its answer, p50', 'answerMs', 'ms'),
    figure('sent until received, p50', 'p50', 'ms'),
    figure('sent until received, p99', 'p99', 'ms'),
    figure('sent until every watcher holds it, p50', 'finalMs', 'ms'),
  ];
}

const NOTHING = Buffer.alloc(0);

/** Each writer's numbers go on over rounds, without gaps, so that each update changes something: one that does not is never delivered. */
export function updateRoom(writer: Pick<Connection, 'unary'>): () => Promise<Buffer> {
  return () => {
    const n = updates.get(writer) ?? 0;
    updates.set(writer, n + 1);
    return writer.unary(UPDATE, updateRequest(ROOM, statusUpdate(n)));
  };
}
const updates = new WeakMap<object, number>();

export function broadcast(connection: Connection): () => Promise<Buffer> {
  return () => connection.unary('/bench.Echo/Broadcast', NOTHING);
}

export function watchers(connections: readonly Caller[], count: number): Promise<Listeners> {
  return Listeners.open(connections, count, {
    path: WATCH,
    body: () => watchRequest(ROOM),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => bytes[0] === DELTA_TAG,
  });
}

export function broadcastListeners(connections: readonly Caller[], count: number): Promise<Listeners> {
  return Listeners.open(connections, count, {
    path: '/bench.Echo/Listen',
    body: () => NOTHING,
    opened: (bytes) => bytes.length === 0,
    counts: (bytes) => bytes.length > 0,
  });
}

/** The message that a watcher gets for one update. */
export async function sampleDelta(connection: Connection): Promise<Buffer> {
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
