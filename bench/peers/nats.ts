/**
 * NATS: its text protocol over TCP, and of JetStream the calls behind a key-value bucket. A key is a subject, and a watch
 * is an ephemeral consumer without acknowledgement, with flow control and heartbeats as the official clients set them.
 */

import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { launch, type Process } from '../measure.js';
import { find, freePort, remove, temporaryDirectory } from '../servers.js';

const BUCKET = 'rooms';
const STREAM = `KV_${BUCKET}`;
const SECOND = 1e9;

/** One server with JetStream on files; a write is answered when it is synced. */
export async function startNats(): Promise<Process> {
  const directory = temporaryDirectory();
  const port = await freePort();
  const config = join(directory, 'nats.conf');
  writeFileSync(
    config,
    `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${directory}", sync_interval: always }\nmax_pending: 64MB\n`,
  );
  const started = await launch({
    command: find('nats-server')!,
    args: ['--config', config],
    ready: /(Server is ready)/,
    clean: () => remove(directory),
  });
  return { ...started, address: `127.0.0.1:${port}` };
}

export interface Delivery {
  readonly payload: Buffer;
  /** All of it, with its subject and headers. */
  readonly whole: Buffer;
  /** Empty where no answer is awaited. */
  readonly reply: string;
  /** Of a message with headers: their first line, as `NATS/1.0 100 Idle Heartbeat`. */
  readonly status: string;
}

export class NatsConnection {
  readonly #subscriptions = new Map<string, (delivery: Delivery) => void>();
  readonly #inbox = `_INBOX.${inboxes++}`;
  readonly #answers = new Map<string, { resolve: (payload: Buffer) => void; reject: (error: Error) => void }>();
  #rest: Buffer = NOTHING;
  #ready: () => void = () => {};
  #fail: (error: Error) => void = () => {};
  #ids = 0;

  static open(address: string): Promise<NatsConnection> {
    const [host, port] = address.split(':') as [string, string];
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      const connection: NatsConnection = new NatsConnection(socket, () => resolve(connection), reject);
    });
  }

  private constructor(
    readonly socket: Socket,
    ready: () => void,
    fail: (error: Error) => void,
  ) {
    this.#ready = ready;
    this.#fail = fail;
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('error', (error) => this.#fail(error));
    socket.write('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n');
    this.subscribe(`${this.#inbox}.*`, () => {});
    socket.write('PING\r\n');
  }

  subscribe(subject: string, onDelivery: (delivery: Delivery) => void): void {
    const id = `${++this.#ids}`;
    this.#subscriptions.set(id, onDelivery);
    this.socket.write(`SUB ${subject} ${id}\r\n`);
  }

  publish(subject: string, payload: string): void {
    this.socket.write(`PUB ${subject} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
  }

  request(subject: string, payload: string): Promise<Buffer> {
    const reply = `${this.#inbox}.${++this.#ids}`;
    this.socket.write(`PUB ${subject} ${reply} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
    return new Promise((resolve, reject) => this.#answers.set(reply, { resolve, reject }));
  }

  close(): void {
    this.socket.destroy();
  }

  #data(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    for (let end = bytes.indexOf(LINE, at); end >= 0; end = bytes.indexOf(LINE, at)) {
      const next = this.#line(bytes, at, end);
      if (next === undefined) break;
      at = next;
    }
    this.#rest = bytes.subarray(at);
  }

  /** Where the next line begins; undefined while the payload is not there yet. */
  #line(bytes: Buffer, at: number, end: number): number | undefined {
    const line = bytes.toString('latin1', at, end);
    const begin = end + LINE.length;
    if (line.startsWith('MSG ') || line.startsWith('HMSG ')) {
      const parts = line.split(' ');
      const size = Number(parts.at(-1));
      if (bytes.length < begin + size + 2) return undefined;
      const headed = parts[0] === 'HMSG';
      const head = headed ? Number(parts.at(-2)) : 0;
      const status = head > 0 ? bytes.toString('latin1', begin, bytes.indexOf(LINE, begin)) : '';
      const reply = parts.length === (headed ? 6 : 5) ? parts[3]! : '';
      const payload = bytes.subarray(begin + head, begin + size);
      const whole = bytes.subarray(at, begin + size);
      this.#deliver(parts[1]!, parts[2]!, { payload, whole, reply, status });
      return begin + size + 2;
    }
    if (line === 'PING') this.socket.write('PONG\r\n');
    else if (line === 'PONG') this.#ready();
    else if (line.startsWith('-ERR')) this.#fail(new Error(`NATS: ${line}`));
    return begin;
  }

  #deliver(subject: string, id: string, delivery: Delivery): void {
    const answer = this.#answers.get(subject);
    this.#answers.delete(subject);
    if (!answer) this.#subscriptions.get(id)?.(delivery);
    else if (delivery.status.startsWith('NATS/1.0 503')) answer.reject(new Error('NATS: nothing answers'));
    else answer.resolve(delivery.payload);
  }
}

let inboxes = 0;
const NOTHING: Buffer = Buffer.alloc(0);
const LINE = '\r\n';

/** A bucket with a history of one value a key. */
export async function createBucket(connection: NatsConnection): Promise<void> {
  const settings = {
    ...{ name: STREAM, subjects: [`$KV.${BUCKET}.>`], storage: 'file', retention: 'limits', discard: 'new' },
    ...{
      max_msgs_per_subject: 1,
      max_consumers: 10_000,
      num_replicas: 1,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_direct: true,
    },
  };
  answerOf(await connection.request(`$JS.API.STREAM.CREATE.${STREAM}`, JSON.stringify(settings)));
}

/** The revision that the value got. */
export async function putKey(connection: NatsConnection, key: string, value: string): Promise<number> {
  return answerOf(await connection.request(`$KV.${BUCKET}.${key}`, value)).seq as number;
}

export interface KeyWatch {
  /** As NATS has them: `room.>` is all keys below. */
  readonly keys: string;
  /** The client has all up to there. Absent: only what comes from now on. */
  readonly known?: number;
  /** Gets each message whole. */
  readonly onValue: (message: Buffer, revision: number) => void;
}

/** Resolves when the consumer is there. */
export async function watchKeys(connection: NatsConnection, { keys, known, onValue }: KeyWatch): Promise<void> {
  const name = `watch${consumers++}`;
  const inbox = `_INBOX.${name}`;
  const filter = `$KV.${BUCKET}.${keys}`;
  connection.subscribe(inbox, ({ whole, reply, status }) => {
    // What has a status is a heartbeat, or asks whether the client keeps up, and then awaits an answer.
    if (status === '') onValue(whole, revisionOf(reply));
    else if (reply !== '') connection.publish(reply, '');
  });
  const start = known === undefined ? { deliver_policy: 'new' } : { deliver_policy: 'by_start_sequence' };
  const config = {
    ...{ name, deliver_subject: inbox, filter_subject: filter, ack_policy: 'none', max_deliver: 1, mem_storage: true },
    // Those of clients that have gone go soon: there may be only so many.
    ...{ num_replicas: 1, flow_control: true, idle_heartbeat: 5 * SECOND, inactive_threshold: 2 * SECOND },
    ...start,
    ...(known !== undefined && { opt_start_seq: known + 1 }),
  };
  const request = JSON.stringify({ stream_name: STREAM, config, action: 'create' });
  answerOf(await connection.request(`$JS.API.CONSUMER.CREATE.${STREAM}.${name}.${filter}`, request));
}
let consumers = 0;

/** `$JS.ACK.<stream>.<consumer>.<delivered>.<revision>...` */
function revisionOf(reply: string): number {
  return Number(reply.split('.', 6)[5]);
}

function answerOf(payload: Buffer): Record<string, unknown> {
  const answer = JSON.parse(payload.toString()) as { error?: { description: string } };
  if (answer.error) throw new Error(`NATS: ${answer.error.description}`);
  return answer as Record<string, unknown>;
}
