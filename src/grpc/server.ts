/** The gRPC server: services, health, reflection, start and stop. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { Sweeper } from '../cleanup/sweeper.js';
import type { ContextService } from '../contexts/service.js';
import type { Formats } from '../contexts/sync/formats.js';
import type { Clock } from '../model/model.js';
import type { Deliveries } from '../observability/deliveries.js';
import type { Store, StoreHealth } from '../store/store.js';
import type { Transfer } from '../transfer/transfer.js';
import type { Hub } from '../watch/hub.js';
import { decoded, type ErrorMapper, type Middleware, type Route } from './call.js';
import type { Arrivals } from './connection-limits.js';
import { UnfinishedCalls } from './incomplete-requests.js';
import { LoadShedding, type LoadSheddingOptions } from './middleware/load-shedding.js';
import { CallPipeline } from './pipeline.js';
import { definitionOf, nameOf, routesOf, type ServedService } from './served-service.js';
import { adminService, type StatsSource } from './services/admin.js';
import { cleanupService } from './services/cleanup.js';
import { contextService } from './services/context.js';
import { HEALTH, Health, healthDefinition } from './services/health.js';
import { REFLECTIONS, reflections } from './services/reflection.js';
import { syncService } from './services/sync.js';
import { transferService } from './services/transfer.js';
import { Waits } from './services/waits.js';
import { WatchStreams } from './services/watch-streams.js';
import { toStatus } from './status.js';
import { type ListenOptions, type LocalOptions, LocalTransport, type Transport } from './transport/transport.js';

export interface CallOptions extends LoadSheddingOptions {
  readonly service: ContextService;
  readonly hub: Hub;
  readonly cleanup: Sweeper;
  readonly formats: Formats;
  readonly transfer: Transfer;
  readonly store: Store;
  readonly clock: Clock;
  readonly deliveries: Deliveries;
  readonly stats: StatsSource;
  /** The middleware of every call, in this order; `decoded` of call.ts is one of them. */
  readonly middleware: readonly Middleware[];
  readonly heartbeatInterval: number;
  /** Milliseconds in which a request must arrive completely; 0: no limit. */
  readonly requestTimeout: number;
  /** Called with each error that is a defect, and with the id that the client was given. */
  readonly onDefect: (error: unknown, id?: string) => void;
}

export type GrpcOptions = CallOptions & LocalOptions;

/** Clients that should reconnect spread their attempts over this time, in milliseconds. */
const RETRY_WITHIN = 1000;
/** Memory limit of all incomplete requests together, in bytes. */
const UNFINISHED_BYTES_MAX = 256 * 2 ** 20;
const GOODBYE = 'the server shuts down';

export class GrpcServer {
  /** What further ports of the server share with this one. */
  readonly arrivals: Arrivals;
  readonly pipeline: CallPipeline;
  /** The names of the services, as `chord.v1.ContextService`. */
  readonly services: readonly string[];
  readonly #definitions: ServiceDefinition[] = [];
  readonly #streams: WatchStreams;
  readonly #waits: Waits;
  readonly #health: Health;
  readonly #loadShedding: LoadShedding;
  readonly #unfinished: UnfinishedCalls;
  readonly #stopping = new AbortController();
  #storeServes = false;
  #late = false;

  static local(options: GrpcOptions): GrpcServer {
    return new GrpcServer(options, new LocalTransport(options));
  }

  constructor(
    private readonly options: CallOptions & Pick<ListenOptions, 'listen'>,
    private readonly transport: Transport,
  ) {
    const { connections, arrivals } = transport;
    this.arrivals = arrivals;
    const toStatusHere: ErrorMapper = (error) => toStatus(error, options.onDefect);
    const loadShedding = new LoadShedding(options, toStatusHere, (forLong) => this.#setLate(forLong));
    this.#loadShedding = loadShedding;
    this.#unfinished = new UnfinishedCalls({
      requestTimeout: options.requestTimeout,
      // Complete calls must not be refused because of incomplete ones.
      maxCalls: Math.ceil(options.maxInFlight / 2),
      maxBytes: UNFINISHED_BYTES_MAX,
    });
    const middleware = [loadShedding.count, ...options.middleware];
    middleware.splice(middleware.indexOf(decoded), 0, connections.know);
    this.pipeline = new CallPipeline(
      middleware,
      (error) => loadShedding.statuses.get(error) ?? toStatusHere(error),
      options.onDefect,
      this.#unfinished,
    );
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
    for (const each of services) this.#serve(definitionOf(each), routesOf(each, service.maxRequestMembers));
    const names = services.map(nameOf);
    this.#health = new Health({
      services: names,
      middleware: [connections.notice, decoded],
      watches: (connection, yes) => connections.watches(connection, yes),
    });
    this.#serve(healthDefinition(), this.#health.routes);
    this.services = [...names, HEALTH];
    for (const { definition, route } of reflections([...this.services, ...REFLECTIONS]))
      this.#serve(definition, [route]);
  }

  #serve(definition: ServiceDefinition, routes: readonly Route[]): void {
    this.#definitions.push(definition);
    for (const route of routes) this.pipeline.add(route);
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
    const port = await this.transport.start(this.pipeline, this.#definitions);
    this.setHealth({ serving: true, readOnly: false });
    const { listen } = this.options;
    return `${listen.slice(0, listen.lastIndexOf(':'))}:${port}`;
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
    await this.transport.stop(grace);
    this.#unfinished.close();
  }
}
