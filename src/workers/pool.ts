/**
 * The workers of a server: processes that terminate HTTP/2 and TLS, while this process, the engine, answers the calls.
 * The engine accepts connections and gives each to the worker with the fewest. A worker that ends is started again; its
 * clients reconnect, and lose nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { Middleware } from '../grpc/call.js';
import { type ArrivalOptions, Arrivals } from '../grpc/connection-limits.js';
import type { CallPipeline } from '../grpc/pipeline.js';
import type { Http2Options } from '../grpc/transport/http2-server.js';
import { PortListener } from '../grpc/transport/listener.js';
import { CLOSE_WITHIN, type ConnectionWatch, type ListenOptions, type Transport } from '../grpc/transport/transport.js';
import { ChordError } from '../model/errors.js';
import { MESSAGE_BYTES_MAX } from '../model/model.js';
import type { Connections } from '../observability/connections.js';
import type { WorkersUsage } from '../observability/metrics.js';
import { NOTES } from './frames.js';
import { LinkConnection, type LinkedMethod, WorkerLink } from './link.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';
import { messageOf } from './tls-context.js';

export interface PoolOptions extends ListenOptions, ArrivalOptions, Http2Options {
  readonly workers: number;
  readonly connections: Connections;
  /** Called when a worker has ended by itself, and is started again after so many milliseconds. */
  readonly onDeath: (worker: { readonly pid: number; readonly how: string; readonly restartIn: number }) => void;
}

/** Beside this module, as it was loaded. */
const PROGRAM = fileURLToPath(new URL(`./process${import.meta.url.slice(-3)}`, import.meta.url));
/** Memory limit of all incomplete requests together, in bytes. */
const UNFINISHED_BYTES_MAX = 256 * 2 ** 20;
/** A worker that ended is started again after this time, which doubles while workers do not live for long. */
const RESTART = { first: 100, most: 10_000, wellAfter: 30_000 };
/** Connections that may wait for a worker. */
const WAITING_MAX = 4096;

interface RunningWorker {
  readonly process: ChildProcess;
  readonly link: WorkerLink;
  readonly startedAt: number;
  /** Numbers of its open connections. */
  readonly connections: Set<number>;
  /** Passed to the process one by one; Node drops those that wait when the process ends, and leaves them open. */
  readonly queued: Set<Socket>;
  /** Numbers of the connections sent to the process in this turn of the event loop. A message with these numbers follows them. */
  passed: number[];
}

export class WorkerPool implements Transport {
  readonly #workers = new Set<RunningWorker>();
  readonly #waiting: Socket[] = [];
  #listener: PortListener | undefined;
  #lastConnection = 0;
  #restartIn = RESTART.first;
  #stopping = false;
  #start: () => Promise<void> = async () => {};
  /** Processor seconds of workers that have ended. */
  #cpuBefore = 0;
  #restarts = 0;

  readonly arrivals: Arrivals;
  readonly connections: ConnectionWatch;

  constructor(private readonly options: PoolOptions) {
    const arrivals = new Arrivals(options);
    this.arrivals = arrivals;
    options.certificates?.onChange((context) => this.#passContext(context));
    this.connections = {
      know: noting(NOTES.known, arrivals.know),
      notice: noting(NOTES.used, arrivals.notice),
      watches: (connection, yes) => {
        if (connection instanceof LinkConnection) connection.note(yes ? NOTES.watching : NOTES.notWatching);
        else arrivals.watches(connection, yes);
      },
    };
  }

  get usage(): WorkersUsage {
    let [cpu, residentBytes] = [this.#cpuBefore, 0];
    for (const { link } of this.#workers) {
      cpu += link.usage.cpu;
      residentBytes += link.usage.residentBytes;
    }
    return { running: this.#workers.size, restarts: this.#restarts, cpu, residentBytes };
  }

  async start(pipeline: CallPipeline, services: readonly ServiceDefinition[]): Promise<number> {
    const methods = services.flatMap((service) =>
      Object.values(service).map(({ path, requestStream, responseStream, requestDeserialize: decode }) => {
        const { streams, maxBytes = MESSAGE_BYTES_MAX } = pipeline.route(path);
        return { path, requestStream, responseStream, maxBytes, streams, decode };
      }),
    );
    const settings = settingsOf(this.options, methods);
    this.#start = () => this.#startOne(pipeline, methods, settings);
    const { workers, listen, acceptQueue } = this.options;
    try {
      await Promise.all(Array.from({ length: workers }, this.#start));
      this.#listener = await PortListener.open(listen, acceptQueue, (socket) => this.#accept(socket), true);
      return this.#listener.port;
    } catch (error) {
      await this.stop(0);
      throw error;
    }
  }

  async stop(grace: number): Promise<void> {
    this.#stopping = true;
    void this.#listener?.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    const ends = [...this.#workers].map(async ({ process }) => {
      tell(process, { kind: 'stop', grace });
      const ended = once(process, 'exit');
      const overdue = sleep(grace + 2 * CLOSE_WITHIN, undefined, { ref: false }).then(() => process.kill('SIGKILL'));
      await Promise.race([ended, overdue]);
      await ended;
    });
    await Promise.all(ends);
    this.arrivals.close();
  }

  #passContext(context: SecureContextOptions): void {
    for (const { process } of this.#workers) tell(process, { kind: 'tls', tls: messageOf(context) });
  }

  #accept(socket: Socket): void {
    let chosen: RunningWorker | undefined;
    for (const worker of this.#workers) {
      if (!worker.process.connected) continue; // it has ended
      if (!chosen || worker.connections.size < chosen.connections.size) chosen = worker;
    }
    if (!chosen) {
      if (this.#waiting.length < WAITING_MAX) this.#waiting.push(socket);
      else socket.destroy();
      return;
    }
    this.#lastConnection = (this.#lastConnection + 1) >>> 0;
    const number = this.#lastConnection;
    const { connections, process, queued } = chosen;
    connections.add(number);
    queued.add(socket);
    if (chosen.passed.push(number) === 1) setImmediate(tellPassed, chosen);
    this.options.connections.opened(number, `${socket.remoteAddress}:${socket.remotePort}`);
    process.send({ kind: 'connection', number } satisfies ToWorker, socket, (error) => {
      queued.delete(socket);
      // The client has gone already, or the worker has.
      if (!error) return;
      socket.destroy();
      this.#closed(connections, number);
    });
  }

  #closed(connections: Set<number>, number: number): void {
    if (connections.delete(number)) this.options.connections.closed(number);
  }

  async #startOne(pipeline: CallPipeline, methods: readonly LinkedMethod[], settings: WorkerSettings): Promise<void> {
    const child = fork(PROGRAM, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc', 'pipe'] });
    await once(child, 'spawn'); // rejects where no process can be had, or no file descriptor
    child.on('error', () => {}); // a message that could not be sent: the end of the process says it
    const socket = child.stdio[4] as Socket;
    socket.on('error', () => {}); // the end of the process says it
    const connections = new Set<number>();
    const link = new WorkerLink(socket, pipeline, methods, {
      closed: (number) => this.#closed(connections, number),
      refused: (peer, reason) => this.options.connections.refuse(peer, reason),
    });
    const worker: RunningWorker = {
      process: child,
      link,
      startedAt: performance.now(),
      connections,
      queued: new Set<Socket>(),
      passed: [],
    };
    const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const { certificates } = this.options;
    const context = certificates?.context;
    tell(child, { kind: 'start', settings, tls: context && messageOf(context) });
    const first = await Promise.race([once(child, 'message') as Promise<[FromWorker]>, exit.then(() => undefined)]);
    if (first?.[0].kind !== 'ready') {
      child.kill('SIGKILL');
      throw new ChordError('UNAVAILABLE', 'a worker could not start: it ended');
    }
    this.#workers.add(worker);
    if (certificates && certificates.context !== context) this.#passContext(certificates.context);
    void exit.then(([code, signal]) => this.#ended(worker, signal ?? `exit code ${code}`));
    for (const waiting of this.#waiting.splice(0)) this.#accept(waiting);
  }

  #ended(worker: RunningWorker, how: string): void {
    this.#workers.delete(worker);
    this.#cpuBefore += worker.link.usage.cpu;
    worker.link.close();
    for (const number of [...worker.connections]) this.#closed(worker.connections, number);
    for (const socket of worker.queued) socket.destroy();
    closePassing(worker.process);
    if (this.#stopping) return;
    const well = performance.now() - worker.startedAt > RESTART.wellAfter;
    if (well) this.#restartIn = RESTART.first;
    this.options.onDeath({ pid: worker.process.pid ?? 0, how, restartIn: this.#restartIn });
    void this.#restart();
  }

  async #restart(): Promise<void> {
    const wait = this.#restartIn;
    this.#restartIn = Math.min(2 * wait, RESTART.most);
    await sleep(wait, undefined, { ref: false });
    if (this.#stopping) return;
    this.#restarts++;
    await this.#start().catch((error: Error) => {
      this.options.onDeath({ pid: 0, how: error.message, restartIn: this.#restartIn });
      return this.#restart();
    });
  }
}

/** Tells the worker once that a caller has authenticated, and each time that a stranger has made a call. */
function noting(what: number, others: Middleware): Middleware {
  return {
    enter(call) {
      const { connection } = call;
      if (!(connection instanceof LinkConnection)) return others.enter(call);
      if (connection.known) return;
      if (what === NOTES.known) connection.known = true;
      connection.note(what);
    },
  };
}

/** The connection that Node was passing when the process ended: it is kept, and never closed. Not found: nothing is done. */
function closePassing(process: ChildProcess): void {
  const { _pendingMessage: passing } = process as { _pendingMessage?: { handle?: { close?(): void } } | null };
  passing?.handle?.close?.();
}

/** Sends the numbers behind the connections: the channel delivers each connection, or gives it up, before it sends the next message. */
function tellPassed(worker: RunningWorker): void {
  tell(worker.process, { kind: 'passed', numbers: worker.passed });
  worker.passed = [];
}

function tell(process: ChildProcess, message: ToWorker): void {
  if (process.connected) process.send(message);
}

/** Limits of the whole server are divided: each worker has about as many connections as the others. */
function settingsOf(options: PoolOptions, methods: WorkerSettings['methods']): WorkerSettings {
  const share = (limit: number) => Math.ceil(limit / options.workers);
  const { maxStreamsPerConnection, keepaliveInterval, keepaliveTimeout } = options;
  return {
    ...{ maxStreamsPerConnection, keepaliveInterval, keepaliveTimeout },
    maxConnections: share(options.maxConnections),
    maxConnectionsPerAddress: share(options.maxConnectionsPerAddress),
    identifyTimeout: options.identifyTimeout,
    unfinishedBytesMax: share(UNFINISHED_BYTES_MAX),
    methods: methods.map(({ path, requestStream, responseStream, maxBytes }) => {
      return { path, requestStream, responseStream, maxBytes };
    }),
  };
}
