/**
 * Centrifugo: its JSON protocol over a WebSocket, with a map subscription: a channel holds keys and values, and a client
 * that comes back gets the changes since its offset. The broker is the one in memory: nothing is on disk.
 */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { launch, type Process } from '../measure.js';
import { find, freePort, remove, temporaryDirectory } from '../servers.js';

const NAMESPACE = 'rooms';
/** Of a subscription, and of a publication: to a map. */
const MAP = 1;
const [STREAM_PHASE, STATE_PHASE] = [1, 2];

export async function startCentrifugo(): Promise<Process> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const config = join(directory, 'config.json');
  const map = { mode: 'persistent', stream_size: 1000, stream_ttl: '1h' };
  const settings = {
    http_server: { address: '127.0.0.1', port: String(port) },
    // Each client may connect, subscribe and publish.
    client: { insecure: true },
    channel: { namespaces: [{ name: NAMESPACE, subscription_type: 'map', map, allow_subscribe_for_client: true }] },
    log: { level: 'info' },
  };
  writeFileSync(config, JSON.stringify(settings));
  const started = await launch({
    command: find('centrifugo')!,
    args: ['--config', config],
    ready: /(serving websocket)/,
    clean: () => remove(directory),
  });
  await listening(port);
  return { ...started, address: `127.0.0.1:${port}` };
}

/** Centrifugo tells what it serves a moment before it listens. */
async function listening(port: number): Promise<void> {
  for (const end = performance.now() + 5000; performance.now() < end; await sleep(10)) {
    const socket = connect(port, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
  }
  throw new Error('Centrifugo does not listen');
}

/** Where a client stands in the stream of a channel. */
export interface StreamPosition {
  readonly offset: number;
  readonly epoch: string;
}

export interface MapWatch {
  readonly room: string;
  readonly known?: StreamPosition;
  /** Gets each message with changes, as it came. */
  readonly onChange: (message: Buffer) => void;
}

interface Reply {
  readonly id: number;
  readonly error?: { readonly message: string };
  readonly subscribe?: StreamPosition & { readonly phase?: number; readonly publications?: readonly object[] };
}

export class CentrifugoConnection {
  readonly #answers = new Map<number, (reply: Reply) => void>();
  #onChange: (message: Buffer) => void = () => {};
  #ids = 0;

  static open(address: string): Promise<CentrifugoConnection> {
    return new Promise((resolve, reject) => {
      const url = `ws://${address}/connection/websocket`;
      const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true });
      const connection = new CentrifugoConnection(socket);
      socket.once('error', reject);
      socket.once('open', () => connection.#call({ connect: {} }).then(() => resolve(connection), reject));
    });
  }

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (message: Buffer) => this.#receive(message));
  }

  /** Resolves when the client has all that was there before: with the changes since `known`, if it knew something. */
  async watch({ room, known, onChange }: MapWatch): Promise<StreamPosition> {
    this.#onChange = onChange;
    const channel = `${NAMESPACE}:${room}`;
    const begin = known ? { phase: STREAM_PHASE, recover: true, ...known } : { phase: STATE_PHASE };
    for (let next: object = begin; ; ) {
      const { subscribe } = await this.#call({ subscribe: { channel, type: MAP, ...next } });
      const { phase = 0, offset = 0, epoch } = subscribe!;
      if (phase === 0) return { offset, epoch };
      next = { phase: STREAM_PHASE, offset, epoch, recover: known !== undefined };
    }
  }

  /** Resolves when the server has it. */
  publish(room: string, key: string, data: unknown): Promise<unknown> {
    return this.#call({ publish: { channel: `${NAMESPACE}:${room}`, type: MAP, key, data } });
  }

  close(): void {
    this.socket.terminate();
  }

  #call(command: object): Promise<Reply> {
    const id = ++this.#ids;
    this.socket.send(JSON.stringify({ id, ...command }));
    return new Promise((resolve, reject) => {
      this.#answers.set(id, (reply) => {
        if (reply.error) reject(new Error(`Centrifugo: ${reply.error.message}`));
        else resolve(reply);
      });
    });
  }

  /** One line for each reply. */
  #receive(message: Buffer): void {
    for (let at = 0; at < message.length; ) {
      const newline = message.indexOf(NEWLINE, at);
      const end = newline < 0 ? message.length : newline;
      this.#line(message.subarray(at, end));
      at = end + 1;
    }
  }

  #line(line: Buffer): void {
    // An empty object asks whether the client is there.
    if (line.length <= 2) this.socket.send('{}');
    else if (line.indexOf(PUSH) === 0) this.#onChange(line);
    else {
      const reply = JSON.parse(line.toString()) as Reply;
      if (reply.subscribe?.publications) this.#onChange(line);
      this.#answers.get(reply.id)?.(reply);
      this.#answers.delete(reply.id);
    }
  }
}

const NEWLINE = 0x0a;
const PUSH = '{"push"';
