/** The gRPC server: services, health, reflection, start and stop. */
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server } from '@grpc/grpc-js';
import type { Sweeper } from '../cleanup/sweeper.js';
import type { ContextService } from '../contexts/service.js';
import type { Formats } from '../contexts/sync/projection.js';
import { type Clock, MESSAGE_BYTES_MAX } from '../model/model.js';
import type { Connections } from '../observability/connections.js';
import type { Deliveries } from '../observability/deliveries.js';
import type { Store, StoreHealth } from '../store/store.js';
import type { Certificates } from '../tls/certificates.js';
import type { Transfer } from '../transfer/transfer.js';
import type { Hub } from '../watch/hub.js';
import { decoded, type ErrorMapper, type Middleware } from './call.js';
import { type ArrivalOptions, Arrivals } from './connection-limits.js';
import { clampDeadlines } from './deadlines.js';
import { UnfinishedCalls } from './incomplete-requests.js';
import { PortListener, serverCredentials } from './listener.js';
import { LoadShedding, type LoadSheddingOptions } from './middleware/load-shedding.js';
import { answeredByThePipeline, CallPipeline } from './pipeline.js';
import { definitionOf, nameOf, routesOf, type ServedService } from './served-service.js';
import { adminService, type StatsSource } from './services/admin.js';
import { cleanupService } from './services/cleanup.js';
import { contextService } from './services/context.js';
import { HEALTH, Health } from './services/health.js';
import { addReflection, REFLECTIONS } from './services/reflection.js';
import { syncService } from './services/sync.js';
import { transferService } from './services/transfer.js';
import { Waits } from './services/waits.js';
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
  readonly connections: Connections;
  readonly deliveries: Deliveries;
  readonly stats: StatsSource;
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** Connections that may wait to be accepted. */
  readonly acceptQueue: number;
  /** Undefined: no TLS. */
  readonly certificates: Certificates | undefined;
  /** The middleware of every call, in this order; `decoded` of call.ts is one of them. */
  readonly middleware: readonly Middleware[];
  readonly heartbeatInterval: number;
  readonly maxStreamsPerConnection: number;
  /** Milliseconds in which a request must arrive completely; 0: no limit. */
  readonly requestTimeout: number;
  /** Called with each error that is a defect, and with the id that the client was given. */
  readonly onDefect: (error: unknown, id?: string) => void;
}

/** Clients that should reconnect spread their attempts over this time, in milliseconds. */
const RETRY_WITHIN = 1000;
/** Memory limit of all incomplete requests together, in bytes. */
const UNFINISHED_BYTES_MAX = 256 * 2 ** 20;
/** Limit of a call's metadata, as HTTP/2 counts it: 32 bytes more for each entry. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Streams that a client may reset, which is how a watch is closed: at once, and a second. nghttp2's own 1000 and 33 are few. */
const RESETS = { burst: 10_000, rate: 1000 };
/** What is cut off after the grace has this long to be gone, in milliseconds. */
const CLOSE_WITHIN = 500;
const GOODBYE = 'the server shuts down';

export class GrpcServer {
  readonly #server: Server;
  readonly #streams: WatchStreams;
  /** What further ports of the server share with this one. */
  readonly arrivals: Arrivals;
  readonly pipeline: CallPipeline;
  /** The names of the services, as `chord.v1.ContextService`. */
  readonly services: readonly string[];
  readonly #waits: Waits;
  readonly #health: Health;
  readonly #loadShedding: LoadShedding;
  readonly #unfinished: UnfinishedCalls;
  readonly #stopping = new AbortController();
  #injector: ReturnType<Server['createConnectionInjector']> | undefined;
  #listener: PortListener | undefined;
  #storeServes = false;
  #late = false;

  constructor(private readonly options: GrpcOptions) {
    const toStatusHere: ErrorMapper = (error) => toStatus(error, options.onDefect);
    const loadShedding = new LoadShedding(options, toStatusHere, (forLong) => this.#setLate(forLong));
    this.#loadShedding = loadShedding;
    const arrivals = new Arrivals(options);
    this.arrivals = arrivals;
    this.#unfinished = new UnfinishedCalls({
      requestTimeout: options.requestTimeout,
      // Complete calls must not be refused because of incomplete ones.
      maxCalls: Math.ceil(options.maxInFlight / 2),
      maxBytes: UNFINISHED_BYTES_MAX,
    });
    const middleware = [loadShedding.count, ...options.middleware];
    middleware.splice(middleware.indexOf(decoded), 0, arrivals.know);
    const pipeline = new CallPipeline(
      middleware,
      (error) => loadShedding.statuses.get(error) ?? toStatusHere(error),
      options.onDefect,
      this.#unfinished,
    );
    this.pipeline = pipeline;
    this.#server = new Server({
      interceptors: [pipeline.intercept],
      'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
      // Applies where grpc-js reads; the call pipeline reads by itself.
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      // Channelz counters would cost time for each call and message, and no service reads them.
      'grpc.enable_channelz': 0,
    });
    limitResets(this.#server, RESETS);
    const { service, hub, formats, transfer, deliveries, heartbeatInterval } = options;
    this.#streams = new WatchStreams({ service, hub, formats, deliveries, heartbeatInterval });
    this.#waits = new Waits(service, hub, formats);
    const services: readonly ServedService[] = [
      contextService(service, formats),
      syncService(service, formats, this.#streams, this.#waits),
      cleanupService(options.cleanup),
      transferService(transfer),
      adminService(options.store, options.clock, options.stats, this.#stopping.signal),
    ];
    for (const each of services) {
      for (const route of routesOf(each, service.maxRequestMembers)) pipeline.add(route);
      const definition = definitionOf(each);
      this.#server.addService(definition, answeredByThePipeline(definition));
    }
    const names = services.map(nameOf);
    this.#health = new Health({
      services: names,
      middleware: [arrivals.notice, decoded],
      watches: (connection, yes) => arrivals.watches(connection, yes),
    });
    for (const route of this.#health.routes) pipeline.add(route);
    this.#server.addService(this.#health.definition, answeredByThePipeline(this.#health.definition));
    this.services = [...names, HEALTH];
    addReflection(this.#server, pipeline, [...this.services, ...REFLECTIONS]);
  }

  /** Open watch streams. */
  get streams(): number {
    return this.#streams.size;
  }

  /** Number of calls refused by load shedding. */
  get shed(): number {
    return this.#loadShedding.shed;
  }

  /** Resolves with the listening address, HOST:PORT with the real port. */
  async start(): Promise<string> {
    const { listen, acceptQueue, certificates, connections } = this.options;
    const injector = this.#server.createConnectionInjector(serverCredentials(certificates));
    this.#injector = injector;
    for (const server of serversOf(this.#server)) {
      // A client that does not offer HTTP/2 in the handshake: Node would answer in HTTP/1.0.
      server.on('unknownProtocol', (socket: Socket) => socket.destroy());
      (server as Http2SecureServer).on('tlsClientError', connections.failed);
      this.arrivals.watch(server);
      clampDeadlines(server);
      server.updateSettings({ maxHeaderListSize: HEADER_BYTES_MAX });
    }
    this.#listener = await PortListener.open(listen, acceptQueue, (socket) => {
      connections.accepted(socket);
      injector.injectConnection(socket);
    });
    this.setHealth({ serving: true, readOnly: false });
    return `${listen.slice(0, listen.lastIndexOf(':'))}:${this.#listener.port}`;
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
   * Reports unready for `delay` while still serving, so that load balancers send no new clients; sends `closing` on
   * every stream, and ends waits; waits for calls under way; cuts off the rest after `grace`. Both in milliseconds.
   */
  async stop(delay: number, grace: number): Promise<void> {
    this.#storeServes = false;
    this.#health.set(false);
    if (delay > 0) await sleep(delay);
    this.#loadShedding.stop();
    this.#streams.closeAll(GOODBYE, RETRY_WITHIN);
    this.#waits.closeAll(GOODBYE, RETRY_WITHIN);
    this.#health.end(GOODBYE);
    this.#stopping.abort();
    // Not forceShutdown: without channelz grpc-js tracks no connections.
    const ended = this.#listener?.close();
    this.#injector?.drain(grace);
    this.#server.tryShutdown(() => {});
    // A stalled client never confirms the end of its connection: the wait is bounded.
    await Promise.race([ended, sleep(grace + CLOSE_WITHIN, undefined, { ref: false })]);
    this.#unfinished.close();
    this.arrivals.close();
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
