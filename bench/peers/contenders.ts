/**
 * Chord and its peers behind one interface, for what is measured of all of them alike: a chat room whose fields change
 * one at a time, and clients that watch it. Chord sends deltas of the document. On NATS and Centrifugo the application has
 * split the document into small keys, one for each field: the least that they can send.
 */
import type { Position } from '../../src/model/model.js';
import { chatRoom, fieldUpdate, PARTICIPANTS } from '../chatroom.js';
import type { Keep } from '../figures.js';
import { open } from '../load.js';
import type { Process } from '../measure.js';
import { RawConnection } from '../raw.js';
import { DELTA_TAG, eventOf, put, update, WATCH, watchRequest } from '../requests.js';
import { type ChordLaunch, startChord } from '../servers.js';
import { CentrifugoConnection, type StreamPosition, startCentrifugo } from './centrifugo.js';
import { createBucket, NatsConnection, putKey, startNats, watchKeys } from './nats.js';

export interface Contender<Mark = unknown> {
  readonly name: string;
  readonly server: Process;
  /** Writes the status of a participant; resolves when the server has answered, with where a client stands then. */
  write(participant: number, status: string): Promise<Mark>;
  connect(): Promise<Link<Mark>>;
}

/** A connection. */
export interface Link<Mark = unknown> {
  /** Resolves when the client has all that was there: where it knows something, with what came since. */
  watch(onChange: (message: Buffer) => void, known?: Mark): Promise<void>;
  /** Reads no more, until it is resumed. */
  pause(): void;
  resume(): void;
  close(): void;
  /** Resolves when the connection has ended. One that is paused learns of that when it is resumed. */
  readonly ended: Promise<void>;
}

export type Start = (keep: Keep) => Promise<Contender>;

const ROOM = 'room:1';
const stop = (server: Process) => server.stop();

/** Each watcher needs a connection of its own: `RawConnection` has one stream. */
export async function chord(keep: Keep, launch: ChordLaunch = {}): Promise<Contender<Position>> {
  const server = keep(await startChord(launch), stop);
  const [writer] = await open(server.address, 1);
  keep(writer!, (each) => each.close());
  await put(writer!, ROOM, chatRoom());
  return {
    name: 'Chord',
    server,
    write: (participant, status) => update(writer!, ROOM, fieldUpdate(participant, status)),
    async connect() {
      const connection = await RawConnection.open(server.address);
      return linkOf(connection, (onChange, known) => {
        return new Promise((resolve, reject) => {
          let opened = false;
          const onMessage = (bytes: Buffer) => {
            // Later on, the document comes where it is smaller than what changed.
            if (bytes[0] === DELTA_TAG || opened) return onChange(bytes);
            opened = eventOf(bytes).$case === 'caughtUp';
            if (opened) resolve();
          };
          const { ended } = connection.stream(WATCH, onMessage, watchRequest(ROOM, known));
          ended.catch((error) => {
            reject(error);
            connection.close();
          });
        });
      });
    },
  };
}

export async function nats(keep: Keep): Promise<Contender<number>> {
  const server = keep(await startNats(), stop);
  const writer = keep(await NatsConnection.open(server.address), (each) => each.close());
  await createBucket(writer);
  const key = (participant: number) => `room1.participants.user_${participant % PARTICIPANTS}.status`;
  let head = 0;
  const write = async (participant: number, status: string) => {
    head = Math.max(head, await putKey(writer, key(participant), JSON.stringify(status)));
    return head;
  };
  return {
    name: 'NATS KV, a key for each field',
    server,
    write,
    async connect() {
      const connection = await NatsConnection.open(server.address);
      return linkOf(connection, (onChange, known) => {
        return new Promise((resolve, reject) => {
          const until = known === undefined ? 0 : head;
          const onValue = (message: Buffer, revision: number) => {
            onChange(message);
            if (revision === until) resolve();
          };
          const watching = watchKeys(connection, { keys: 'room1.>', onValue, ...(known !== undefined && { known }) });
          watching.then(() => (known === undefined || known === head) && resolve(), reject);
        });
      });
    },
  };
}

export async function centrifugo(keep: Keep): Promise<Contender<StreamPosition>> {
  const server = keep(await startCentrifugo(), stop);
  const [room, own] = ['1', await CentrifugoConnection.open(server.address)];
  const writer = keep(own, (each) => each.close());
  const key = (participant: number) => `participants.user_${participant % PARTICIPANTS}.status`;
  await writer.publish(room, 'name', 'Daily standup');
  // The only one that writes: the offset counts its writes.
  const { epoch, offset } = await writer.watch({ room, onChange: () => {} });
  let written = offset;
  return {
    name: 'Centrifugo map, a key for each field',
    server,
    async write(participant, status) {
      await writer.publish(room, key(participant), status);
      return { epoch, offset: ++written };
    },
    async connect() {
      const connection = await CentrifugoConnection.open(server.address);
      return linkOf(connection, async (onChange, known) => {
        const { offset: reached } = await connection.watch({ room, onChange, ...(known && { known }) });
        if (reached !== written) throw new Error(`Centrifugo: at ${reached}, not at ${written}`);
      });
    },
  };
}

interface Plain {
  readonly socket: { pause(): unknown; resume(): unknown; on(event: 'close', listener: () => void): unknown };
  close(): void;
}

function linkOf<Mark>(connection: Plain, watch: Link<Mark>['watch']): Link<Mark> {
  const { socket } = connection;
  return {
    watch,
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => connection.close(),
    ended: new Promise((resolve) => socket.on('close', () => resolve())),
  };
}
