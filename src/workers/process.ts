/**
 * A worker process: terminates HTTP/2 and TLS, and passes calls to the engine. It holds nothing that must not be lost: its
 * clients go on with another worker. It ends when the engine is gone.
 */
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { logVerbosity, ServerInterceptingCall, type ServerInterceptor, setLogVerbosity } from '@grpc/grpc-js';
import { Arrivals } from '../grpc/connection-limits.js';
import { UnfinishedCalls } from '../grpc/incomplete-requests.js';
import { connectionOf, patchSession } from '../grpc/node-http2.js';
import { Http2 } from '../grpc/transport/http2-server.js';
import { CLOSE_WITHIN } from '../grpc/transport/transport.js';
import { residentBytes } from '../model/resident-memory.js';
import { peerOf, reasonOf } from '../observability/connections.js';
import { type FrameReader, FrameWriter, NOTES, readFrames, TO_ENGINE, TO_WORKER } from './frames.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { Relay, type Relays } from './relay.js';
import { metadataOf } from './remote-call.js';
import { PassedContexts } from './tls-context.js';

/** The socket pair to the engine, behind stdin, stdout, stderr and the channel. */
const ENGINE_FD = 4;
const USAGE_INTERVAL = 1000;

const say = (message: FromWorker): void => void process.send?.(message);

class Worker {
  readonly #engine = new Socket({ fd: ENGINE_FD });
  readonly #left = new Map<number, number>();
  readonly #frames = new FrameWriter(this.#engine, () => this.#beforeFlush());
  readonly #calls = new Map<number, Relay>();
  readonly #connections = new Map<number, { readonly socket: Socket; session?: object }>();
  /** By peer, until the session of the connection has begun. */
  readonly #coming = new Map<string, number>();
  readonly #numbers = new WeakMap<object, number>();
  readonly #arrivals: Arrivals;
  readonly #unfinished: UnfinishedCalls;
  readonly #http2: Http2;
  readonly #relays: Relays;
  /** Of methods, by path. */
  readonly #indices: ReadonlyMap<string, number>;
  #lastCall = 0;

  constructor(
    private readonly settings: WorkerSettings,
    readonly certificates: PassedContexts | undefined,
  ) {
    const { methods, unfinishedBytesMax: maxBytes } = settings;
    this.#arrivals = new Arrivals(settings);
    this.#unfinished = new UnfinishedCalls({ requestTimeout: 0, maxCalls: Number.POSITIVE_INFINITY, maxBytes });
    this.#indices = new Map(methods.map(({ path }, index) => [path, index]));
    this.#relays = {
      ...{ frames: this.#frames, unfinished: this.#unfinished, left: this.#left, fresh: [] },
      calls: this.#calls,
    };
    const same = (bytes: unknown) => bytes as Buffer;
    const codecs = {
      ...{ requestSerialize: same, requestDeserialize: same },
      ...{ responseSerialize: same, responseDeserialize: same },
    };
    const definition = Object.fromEntries(methods.map((method) => [method.path, { ...method, ...codecs }]));
    this.#http2 = new Http2({ ...settings, certificates }, this.#intercept, [definition]);
    this.#http2.open(this.#arrivals, {
      failed: (error, socket) => {
        const reason = reasonOf(error, socket);
        if (reason === undefined) return;
        this.#frames
          .begin(TO_ENGINE.refused)
          .text(peerOf(socket._parent ?? socket))
          .text(reason)
          .end();
      },
    });
    readFrames(this.#engine, (frame) => this.#take(frame));
    this.#engine.on('error', () => process.exit(1));
    this.#engine.on('close', () => process.exit(1));
    setInterval(() => this.#tellUsage(), USAGE_INTERVAL).unref();
  }

  accept(number: number, socket: Socket): void {
    const peer = peerOf(socket);
    this.#connections.set(number, { socket });
    this.#coming.set(peer, number);
    socket.once('close', () => {
      if (this.#coming.get(peer) === number) this.#coming.delete(peer);
      this.#connections.delete(number);
      this.#closed(number);
    });
    this.#http2.inject(socket);
  }

  /** Reports the connections that did not arrive as closed: the engine counts each connection that it has sent as open. */
  passed(numbers: readonly number[]): void {
    for (const number of numbers) if (!this.#connections.has(number)) this.#closed(number);
  }

  #closed(number: number): void {
    this.#frames.begin(TO_ENGINE.closed).int(number).end();
  }

  async stop(grace: number): Promise<void> {
    this.#http2.drain(grace);
    const end = performance.now() + grace + CLOSE_WITHIN;
    while (this.#connections.size > 0 && performance.now() < end) await sleep(10);
    this.#arrivals.close();
  }

  readonly #intercept: ServerInterceptor = ({ path }, next) => {
    const index = this.#indices.get(path);
    const session = connectionOf(next);
    if (index === undefined || !session) return new ServerInterceptingCall(next);
    patchSession(session);
    this.#lastCall = (this.#lastCall + 1) >>> 0;
    const number = this.#lastCall;
    const connection = this.#numberOf(session, next);
    return new Relay(next, number, connection, this.settings.methods[index]!, index, this.#relays);
  };

  /** Tells the engine of the connection at its first call. */
  #numberOf(session: object, call: Pick<ServerInterceptingCall, 'getPeer' | 'getAuthContext'>): number {
    const known = this.#numbers.get(session);
    if (known !== undefined) return known;
    const peer = call.getPeer();
    const number = this.#coming.get(peer) ?? 0;
    this.#coming.delete(peer);
    this.#numbers.set(session, number);
    const connection = this.#connections.get(number);
    if (connection) connection.session = session;
    const certificate = call.getAuthContext().sslPeerCertificate;
    const { subjectaltname, valid_to } = certificate ?? {};
    const text = certificate ? JSON.stringify({ subjectaltname, valid_to }) : '';
    this.#frames.begin(TO_ENGINE.opened).int(number).text(peer).text(text).end();
    return number;
  }

  #take(frame: FrameReader): void {
    switch (frame.kind) {
      case TO_WORKER.message: {
        const message = frame.bytes();
        while (frame.more) this.#calls.get(frame.int())?.write(message);
        return;
      }
      case TO_WORKER.answer:
        this.#calls.get(frame.int())?.answer(frame.bytes());
        return;
      case TO_WORKER.end: {
        const [number, code, details, metadata] = [frame.int(), frame.int(), frame.text(), frame.text()];
        this.#calls.get(number)?.finish(code, details, metadata === '' ? undefined : metadataOf(metadata));
        return;
      }
      case TO_WORKER.read:
        this.#calls.get(frame.int())?.read();
        return;
      case TO_WORKER.note: {
        const session = this.#connections.get(frame.int())?.session;
        if (session) this.#note(session, frame.int());
      }
    }
  }

  #note(session: object, what: number): void {
    const call = { connection: session } as never;
    if (what === NOTES.known) void this.#arrivals.know.enter(call);
    else if (what === NOTES.used) void this.#arrivals.notice.enter(call);
    else this.#arrivals.watches(session, what === NOTES.watching);
  }

  #beforeFlush(): void {
    for (const relay of this.#relays.fresh.splice(0)) relay.announce();
    if (this.#left.size === 0) return;
    this.#frames.begin(TO_ENGINE.left);
    for (const [call, count] of this.#left) this.#frames.int(call).int(count);
    this.#frames.end();
    this.#left.clear();
  }

  #tellUsage(): void {
    const { user, system } = process.cpuUsage();
    const usage = { cpu: (user + system) / 1e6, residentBytes: residentBytes() };
    this.#frames.begin(TO_ENGINE.usage).text(JSON.stringify(usage)).end();
  }
}

setLogVerbosity(logVerbosity.NONE);
let worker: Worker | undefined;
process.on('message', (message: ToWorker, socket?: Socket) => {
  switch (message.kind) {
    case 'start':
      worker = new Worker(message.settings, message.tls && new PassedContexts(message.tls));
      say({ kind: 'ready' });
      return;
    case 'connection':
      if (socket) worker?.accept(message.number, socket);
      return;
    case 'passed':
      worker?.passed(message.numbers);
      return;
    case 'tls':
      worker?.certificates?.take(message.tls);
      return;
    case 'stop':
      void worker?.stop(message.grace).then(() => {
        say({ kind: 'stopped' });
        process.disconnect();
      });
  }
});
process.on('disconnect', () => process.exit(0));
// The engine ends its workers: a signal to the group of processes must not end calls under way.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
