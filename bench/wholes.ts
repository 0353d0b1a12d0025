/** A history that clients follow in two ways: as deltas from Chord, and as whole documents over a WebSocket that compresses. */
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { changesFromProto } from '../src/codec/changes.js';
import { apply } from '../src/delta/index.js';
import type { JsonObject } from '../src/model/model.js';
import { Connection } from './client.js';
import type { Keep } from './figures.js';
import { cpuOf, launch, memoryOf, type Process } from './measure.js';
import { RawConnection } from './raw.js';
import { eventOf, put, WATCH, watchRequest } from './requests.js';
import { nodeFlags, startChord } from './servers.js';

const SERVER = fileURLToPath(new URL('./deflate-server.mjs', import.meta.url));
const ID = 'history';

/** One way of following a history. */
export interface Way {
  readonly name: string;
  readonly server: Process;
  write(revision: JsonObject): Promise<unknown>;
  /** A client on a connection of its own that keeps the document as objects. */
  join(): Promise<Follower>;
}

export interface Follower {
  /** Resolves when one more document has come; rejects when the connection has ended. */
  next(): Promise<void>;
  document(): JsonObject | undefined;
  /** Received from the network so far. */
  bytes(): number;
  close(): void;
}

export async function throughChord(keep: Keep, first: JsonObject): Promise<Way> {
  // In memory: what a follower receives and costs does not depend on the disk.
  const server = keep(await startChord({ backend: 'memory' }), (each) => each.stop());
  const writer = keep(await Connection.open(server.address), (each) => each.close());
  await put(writer, ID, first);
  return {
    name: 'Chord',
    server,
    write: (revision) => put(writer, ID, revision),
    async join() {
      const connection = await RawConnection.open(server.address);
      const { taken, follower } = followerOf(connection.socket, () => connection.close());
      await new Promise<void>((resolve, reject) => {
        let document: JsonObject = {};
        const onMessage = (bytes: Buffer) => {
          const event = eventOf(bytes);
          if (event.$case === 'full') document = (event.value.context!.value ?? {}) as JsonObject;
          else if (event.$case === 'caughtUp') resolve();
          else if (event.$case === 'delta') {
            document = apply(changesFromProto(event.value.changes), document);
            taken(document);
          }
        };
        connection.stream(WATCH, onMessage, watchRequest(ID)).ended.catch(reject);
      });
      return follower;
    },
  };
}

export async function asWholes(keep: Keep, first: JsonObject): Promise<Way> {
  const args = [...nodeFlags(), SERVER];
  const server = keep(await launch({ command: process.execPath, args, ready: /serving on (\S+)/ }), (each) =>
    each.stop(),
  );
  const writer = keep(await dial(`ws://${server.address}/write`, false), ({ socket }) => socket.terminate());
  writer.socket.resume();
  const write = (revision: JsonObject) => {
    const answered = new Promise((resolve) => writer.socket.once('message', resolve));
    writer.socket.send(JSON.stringify(revision));
    return answered;
  };
  await write(first);
  return {
    name: 'whole documents, WebSocket with permessage-deflate',
    server,
    write,
    async join() {
      const { socket, raw } = await dial(`ws://${server.address}/watch`, true);
      const { taken, follower } = followerOf(raw, () => socket.terminate());
      await new Promise<void>((resolve) => {
        let begun = false;
        socket.on('message', (message: Buffer) => {
          const document = JSON.parse(message.toString()) as JsonObject;
          if (begun) taken(document);
          begun = true;
          resolve();
        });
        socket.resume();
      });
      return follower;
    },
  };
}

function dial(url: string, deflate: boolean): Promise<{ socket: WebSocket; raw: Socket }> {
  return new Promise((resolve, reject) => {
    const perMessageDeflate = deflate && { serverNoContextTakeover: false, clientNoContextTakeover: false };
    const socket = new WebSocket(url, { perMessageDeflate, maxPayload: 1 << 26 });
    let raw: Socket;
    socket.once('upgrade', (response) => {
      raw = response.socket;
    });
    socket.once('open', () => {
      // What comes with the answer to the upgrade waits for its listener.
      socket.pause();
      resolve({ socket, raw });
    });
    socket.once('error', reject);
  });
}

function followerOf(socket: Socket, close: () => void): { taken: (document: JsonObject) => void; follower: Follower } {
  let [came, awaited] = [0, 0];
  let document: JsonObject | undefined;
  let reached: () => void = () => {};
  let failed: (error: Error) => void = () => {};
  socket.once('close', () => failed(new Error('the server has ended the connection of a follower')));
  return {
    taken(received) {
      document = received;
      if (++came === awaited) reached();
    },
    follower: {
      next() {
        if (++awaited <= came) return Promise.resolve();
        if (socket.destroyed) return Promise.reject(new Error('the connection of a follower has ended'));
        return new Promise((resolve, reject) => {
          reached = resolve;
          failed = reject;
        });
      },
      document: () => document,
      bytes: () => socket.bytesRead,
      close,
    },
  };
}

export interface Followed {
  /** Processor time of the server and of this process, in microseconds, for all revisions. */
  readonly server: number;
  readonly client: number;
  /** Received by one follower. */
  readonly bytes: number;
}

/** Writes one revision after the other; each goes when all followers have the one before. */
export async function follow(
  way: Way,
  revisions: readonly JsonObject[],
  followers: readonly Follower[],
): Promise<Followed> {
  const before = followers[0]?.bytes() ?? 0;
  const own = process.cpuUsage();
  const { cpu } = await cpuOf(way.server, async () => {
    for (const revision of revisions) {
      await Promise.all([way.write(revision), ...followers.map((each) => each.next())]);
    }
  });
  const { user, system } = process.cpuUsage(own);
  return { server: cpu, client: user + system, bytes: (followers[0]?.bytes() ?? 0) - before };
}

/** Resident memory of the server and of this process, without pages of files. */
export function memoryOfBoth(way: Way): { readonly server: number; readonly client: number } {
  return { server: way.server.memory(), client: memoryOf(process.pid) };
}
