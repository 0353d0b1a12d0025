/**
 * The gRPC server: services, health, reflection, and the way to start and stop them.
 *
 * Two things are done here once for all calls. A request that cannot be decoded is INVALID_ARGUMENT with the
 * field at fault (left to itself, gRPC calls that INTERNAL). And an answer that is a Buffer goes out as it is.
 */
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type MethodDefinition, Server, type ServiceDefinition } from '@grpc/grpc-js';
import type { Sweeper } from '../cleanup/sweeper.js';
import type { ContextService } from '../contexts/service.js';
import type { Formats } from '../contexts/sync/projection.js';
import { AdminServiceService } from '../gen/chord/v1/admin_service.js';
import { CleanupServiceService } from '../gen/chord/v1/cleanup_service.js';
import { ContextServiceService } from '../gen/chord/v1/context_service.js';
import { SyncServiceService } from '../gen/chord/v1/sync_service.js';
import { TransferServiceService } from '../gen/chord/v1/transfer_service.js';
import { ChordError } from '../model/errors.js';
import type { Clock } from '../model/model.js';
import type { Deliveries } from '../observability/deliveries.js';
import type { Store, StoreHealth } from '../store/store.js';
import type { Certificates } from '../tls/certificates.js';
import type { Transfer } from '../transfer/transfer.js';
import type { Hub } from '../watch/hub.js';
import { type Call, decoded, type ErrorMapper, type Middleware } from './call.js';
import { BOUNDS } from './codec/field-limits.js';
import { decodeRequest, MESSAGE_BYTES_MAX } from './codec/request-decoding.js';
import { type ArrivalOptions, Arrivals } from './connection-limits.js';
import { clampDeadlines } from './deadlines.js';
import { UnfinishedCalls } from './incomplete-requests.js';
import { LoadShedding, type LoadSheddingOptions } from './middleware/load-shedding.js';
import { answeredByThePipeline, CallPipeline } from './pipeline.js';
import { serverCredentials } from './server-credentials.js';
import { serveStream } from './server-streaming.js';
import {
  adminStreams,
  cleanupHandlers,
  contextHandlers,
  syncHandlers,
  transferHandlers,
  transferStreams,
} from './services/handlers.js';
import { HEALTH, Health } from './services/health.js';
import { addReflection, REFLECTIONS } from './services/reflection.js';
import type { StatsSource } from './services/stats.js';
import { WatchStreams } from './services/watch-streams.js';
import { toStatus } from './status.js';

export interface GrpcOptions extends LoadSheddingOptions, ArrivalOptions {
  readonly service: ContextService;
  readonly hub: Hub;
  readonly cleanup: Sweeper;
  readonly formats: Formats;
  readonly transfer: Transfer;
  readonly store: Store;
  readonly clock: Clock;
  readonly deliveries: Deliveries;
  readonly stats: StatsSource;
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** To serve TLS with. */
  readonly certificates: Certificates | undefined;
  /** What every call passes, in this order; `decoded` of edge.ts is one of them. */
  readonly middleware: readonly Middleware[];
  readonly heartbeatInterval: number;
  readonly maxStreamsPerConnection: number;
  /** Milliseconds in which a request must come whole; 0: it may take as long as it likes. */
  readonly requestTimeout: number;
  readonly keepaliveInterval: number;
  readonly keepaliveTimeout: number;
  /** Hears of errors that are defects, with the id that the client was given. */
  readonly onDefect: (error: unknown, id: string) => void;
}

/** Clients that were told to come back do so within this time, spread out. */
const RETRY_WITHIN = 1000;
/** What requests may take in memory that have not come whole, all together. */
const UNFINISHED_BYTES_MAX = 256 * 2 ** 20;
/** Metadata of a call, as HTTP/2 counts it: 32 more for each entry. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Streams that a client may reset, which is how a watch is closed: at once, and a second. nghttp2's own 1000 and 33 are few. */
const RESETS = { burst: 10_000, rate: 1000 };
/** What is cut off after the grace has this long to be gone, in milliseconds. */
const CLOSE_WITHIN = 500;
const SERVICES = ['Context', 'Sync', 'Cleanup', 'Transfer', 'Admin'].map((name) => `chord.v1.${name}Service`);
const GOODBYE = 'the server shuts down';

export class GrpcServer {
  readonly #server: Server;
  readonly #streams: WatchStreams;
  readonly #arrivals: Arrivals;
  readonly #health: Health;
  readonly #overload: LoadShedding;
  readonly #unfinished: UnfinishedCalls;
  readonly #stopping = new AbortController();
  #address = '';
  #storeServes = false;
  #late = false;

  constructor(private readonly options: GrpcOptions) {
    const toStatusHere: ErrorMapper = (error) => toStatus(error, options.onDefect);
    const overload = new LoadShedding(options, toStatusHere, (forLong) => this.#setLate(forLong));
    this.#overload = overload;
    const arrivals = new Arrivals(options);
    this.#arrivals = arrivals;
    this.#unfinished = new UnfinishedCalls({
      requestTimeout: options.requestTimeout,
      // Calls that are whole must not be refused for those that are not.
      maxCalls: Math.ceil(options.maxInFlight / 2),
      maxBytes: UNFINISHED_BYTES_MAX,
    });
    const middleware = [overload.count, ...options.middleware];
    middleware.splice(middleware.indexOf(decoded), 0, arrivals.know);
    const edge = new CallPipeline(
      middleware,
      (error) => overload.statuses.get(error) ?? toStatusHere(error),
      this.#unfinished,
    );
    this.#server = new Server({
      interceptors: [edge.intercept],
      'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
      'grpc.keepalive_time_ms': options.keepaliveInterval,
      'grpc.keepalive_timeout_ms': options.keepaliveTimeout,
      // Where grpc-js reads; the edge reads by itself.
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      // Its counters would cost each call and message something, and nobody can ask for them.
      'grpc.enable_channelz': 0,
    });
    limitResets(this.#server, RESETS);
    const { service, hub, formats, transfer, deliveries, heartbeatInterval } = options;
    this.#streams = new WatchStreams({ service, hub, formats, deliveries, heartbeatInterval });
    this.#add(ContextServiceService, edge, contextHandlers(service, formats));
    this.#add(SyncServiceService, edge, syncHandlers(service, formats), {
      watchContexts: (call: Call) => this.#streams.serve(call),
    });
    this.#add(CleanupServiceService, edge, cleanupHandlers(options.cleanup));
    this.#add(TransferServiceService, edge, transferHandlers(transfer), sequences(transferStreams(transfer)));
    const { store, clock, stats } = options;
    this.#add(AdminServiceService, edge, {}, sequences(adminStreams(store, clock, stats, this.#stopping.signal)));
    this.#health = new Health({
      services: SERVICES,
      middleware: [arrivals.notice, decoded],
      watches: (connection, yes) => arrivals.watches(connection, yes),
    });
    for (const route of this.#health.routes) edge.add(route);
    this.#server.addService(this.#health.definition, answeredByThePipeline(this.#health.definition));
    addReflection(this.#server, edge, [...SERVICES, HEALTH, ...REFLECTIONS]);
  }

  /** Open watch streams. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Calls refused since there were too many. */
  get shed(): number {
    return this.#overload.shed;
  }

  /** Answers the address that it listens on, with the real port. */
  async start(): Promise<string> {
    const { listen, certificates } = this.options;
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(listen, serverCredentials(certificates), (error, bound) => {
        if (!error) return resolve(bound);
        // gRPC wraps what the system said: "No address added out of total 1 resolved errors: [...]".
        const said = /\[(.*)\]/.exec(error.message)?.[1] ?? error.message;
        reject(new ChordError('UNAVAILABLE', `cannot listen on ${listen}: ${said}`, { cause: error }));
      });
    });
    for (const server of serversOf(this.#server)) {
      // A client that does not offer HTTP/2 in the handshake: Node would answer in HTTP/1.0.
      server.on('unknownProtocol', (socket: Socket) => socket.destroy());
      this.#arrivals.watch(server);
      clampDeadlines(server);
      server.updateSettings({ maxHeaderListSize: HEADER_BYTES_MAX });
    }
    this.setHealth({ serving: true, readOnly: false });
    this.#address = `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`;
    return this.#address;
  }

  setHealth({ serving }: StoreHealth): void {
    this.#storeServes = serving;
    this.#tellHealth();
  }

  /** Whether the event loop has been late for long. */
  get late(): boolean {
    return this.#late;
  }

  #setLate(late: boolean): void {
    this.#late = late;
    this.#tellHealth();
  }

  #tellHealth(): void {
    this.#health.set(this.#storeServes && !this.#late);
  }

  /**
   * Unready, and for so long as if nothing were, so that whoever balances the load sends no new clients; `closing` on
   * every stream; calls under way end; then the rest is cut off when the grace is over. Both in milliseconds.
   */
  async stop(delay: number, grace: number): Promise<void> {
    this.#storeServes = false;
    this.#health.set(false);
    if (delay > 0) await sleep(delay);
    this.#overload.stop();
    this.#streams.closeAll(GOODBYE, RETRY_WITHIN);
    this.#health.end(GOODBYE);
    this.#stopping.abort();
    // Not forceShutdown: without channelz gRPC knows of no connections there.
    this.#server.drain(this.#address, grace);
    // A client that has stopped altogether never answers the end of its connection: nobody waits for that.
    await new Promise<void>((resolve) => {
      const overdue = setTimeout(resolve, grace + CLOSE_WITHIN);
      this.#server.tryShutdown(() => {
        clearTimeout(overdue);
        resolve();
      });
    });
    this.#unfinished.close();
    this.#arrivals.close();
  }

  #add(definition: ServiceDefinition, edge: CallPipeline, calls: object, streams: object = {}): void {
    const service = wire(definition);
    for (const [name, unary] of Object.entries(calls)) edge.add({ ...methodOf(definition, name), unary });
    for (const [name, stream] of Object.entries(streams)) edge.add({ ...methodOf(definition, name), stream });
    this.#server.addService(service, answeredByThePipeline(service));
  }
}

/**
 * How many resets of streams end a connection (GOAWAY). From Node 22.10 on; before, http2 has no such option and passes
 * it over. grpc-js has none, but keeps the options that it makes servers with.
 */
function limitResets(server: Server, { burst, rate }: { burst: number; rate: number }): void {
  const { commonServerOptions } = server as unknown as { readonly commonServerOptions?: object };
  if (commonServerOptions) Object.assign(commonServerOptions, { streamResetBurst: burst, streamResetRate: rate });
}

/** For what gRPC has no settings. */
function serversOf(server: Server): Iterable<Http2Server> {
  return (server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> }).http2Servers.keys();
}

/** The same service with our own way into and out of bytes. */
function wire(definition: ServiceDefinition): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]: [string, MethodDefinition<unknown, unknown>]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: encoder(method),
    },
  ]);
  return Object.fromEntries(methods);
}

function methodOf(definition: ServiceDefinition, key: string) {
  const { path, responseStream: streams, requestDeserialize } = definition[key]!;
  const [, service, name] = path.split('/');
  const decode = decodeRequest(requestDeserialize, BOUNDS[name!]);
  return { path, service: service!, name: name!, streams, decode, encode: encoder(definition[key]!) };
}

function encoder(method: Pick<MethodDefinition<unknown, unknown>, 'responseSerialize'>): (answer: unknown) => Buffer {
  return (answer) => (Buffer.isBuffer(answer) ? answer : method.responseSerialize(answer));
}

function sequences(answers: object): object {
  const served = Object.entries(answers).map(([name, answer]) => [
    name,
    (call: Call) => void serveStream(call, answer),
  ]);
  return Object.fromEntries(served);
}
