/** The composition root: builds a server from its parts. */

import { asksCallers } from '../auth/settings.js';
import { ArchiveBeforeExpiry } from '../cleanup/archive.js';
import { Sweeper } from '../cleanup/sweeper.js';
import { type Config, ConfigError, loadConfig } from '../config/config.js';
import type { CommitEvent } from '../contexts/events.js';
import { ContextService } from '../contexts/service.js';
import { Formats } from '../contexts/sync/formats.js';
import { decoded, type Middleware } from '../grpc/call.js';
import { charge } from '../grpc/middleware/quota.js';
import { GrpcServer } from '../grpc/server.js';
import { LocalTransport } from '../grpc/transport/transport.js';
import { boundUnderWay } from '../grpc/underway.js';
import type { Clock } from '../model/model.js';
import { openLog } from '../observability/log.js';
import type { WriteSpans } from '../observability/write-spans.js';
import { Quotas } from '../quota/quotas.js';
import { openLmdb } from '../store/lmdb/store.js';
import { openMemory } from '../store/memory.js';
import type { Store } from '../store/store.js';
import type { Certificates } from '../tls/certificates.js';
import type { Provider } from '../transfer/export-provider.js';
import { openProvider } from '../transfer/providers/open.js';
import { Transfer } from '../transfer/transfer.js';
import { Hub } from '../watch/hub.js';
import type { WebServer } from '../web/server.js';
import { type PoolOptions, WorkerPool } from '../workers/pool.js';
import { type Gate, openGate } from './auth.js';
import { workersFor } from './cores.js';
import { openTransport } from './listen-policy.js';
import { Telemetry } from './observability.js';
import { checkClock, openPlugin, type Plugins } from './plugins.js';
import { type Reloadable, Reloader } from './reload.js';

/** Settings as in `chord serve --help`, and plugins. */
export interface ChordOptions extends Partial<Config>, Plugins {}

/** Chord without a network. */
export interface Engine {
  readonly contexts: ContextService;
  readonly hub: Hub;
  readonly cleanup: Sweeper;
  readonly transfer: Transfer;
  readonly store: Store;
  /** Waits for writes under way and closes the store. */
  close(): Promise<void>;
}

export interface Chord extends Engine {
  /** HOST:PORT, with the real port. */
  readonly address: string;
  /** Where the API is served over HTTP, HOST:PORT with the real port. */
  readonly webAddress: string | undefined;
  /** Where metrics are served, HOST:PORT with the real port. */
  readonly metricsAddress: string | undefined;
  /** Open watch streams. */
  readonly streams: number;
  /** Resolves when the store has failed for good: the process should end, and be started again. */
  readonly failed: Promise<void>;
  /**
   * Reads certificates again, and applies settings that can change at run time. Never rejects: what cannot be applied
   * is logged, and the previous state stays.
   */
  reload(settings?: Partial<Config>): Promise<void>;
}

/** Starts a server; resolves when it serves. Rejects with ConfigError, or with ChordError where it cannot start. */
export async function startChord(options: ChordOptions = {}): Promise<Chord> {
  const { store, provider, clock, formatters, ...settings } = options;
  const formats = new Formats(formatters);
  const config = loadConfig({ options: settings });
  const log = openLog(config);
  const opened = new Opened();
  try {
    const telemetry = opened.add(await Telemetry.open(config, log, store ? 'own' : config.backend));
    const certificates = opened.add(await openTransport(config, asksCallers(config), log));
    const gate = opened.add(await openGate(config, clock ?? Date.now, log));
    const onError = (error: unknown) => log.error({ err: error }, 'background work failed');
    const engine = opened.add(
      await openEngine(config, { store, provider, clock, onError, spans: telemetry.writeSpans }),
    );
    const calls = {
      ...config,
      service: engine.contexts,
      hub: engine.hub,
      cleanup: engine.cleanup,
      formats,
      transfer: engine.transfer,
      store: engine.store,
      clock: clock ?? engine.store.cluster?.clock ?? Date.now,
      deliveries: telemetry.deliveries,
      stats: telemetry.stats,
      middleware: [
        ...telemetry.middleware,
        ...(gate ? [gate.identify, decoded, gate.authorize] : [decoded]),
        boundUnderWay(config.maxInFlightBytes),
        ...chargeWhereLimited(config, gate, clock),
      ],
      onDefect: (error: unknown, id?: string) => log.error({ err: error, id }, 'internal error'),
    };
    const { connections } = telemetry;
    const workers = workersFor(config.workers);
    const onDeath: PoolOptions['onDeath'] = (worker) => log.error(worker, 'a worker has ended, and is started again');
    const pool = workers > 0 ? new WorkerPool({ ...config, workers, certificates, connections, onDeath }) : undefined;
    const server = new GrpcServer(calls, pool ?? new LocalTransport({ ...config, certificates, connections }));
    const web = config.webListen === 'off' ? undefined : await openWeb(config, server, certificates, telemetry);
    const measured = () => ({
      ...{ ...engine, streams: server.streams, shed: server.shed, late: server.late },
      certificateEnd: certificates?.info.notAfter.getTime(),
      workers: pool?.usage,
    });
    await telemetry.start(measured);
    const address = await server.start();
    await web?.start();
    telemetry.serving(address, web?.address);
    let stopping = false;
    let shutdown = config;
    let fail = () => {};
    const failed = new Promise<void>((resolve) => {
      fail = resolve;
    });
    engine.store.onHealth((health) => {
      if (stopping) return;
      server.setHealth(health);
      if (!health.failed) return log.warn(health, 'store health changed');
      log.fatal({ detail: health.detail }, 'the store has failed: the server ends');
      fail();
    });
    const close = once(async () => {
      stopping = true;
      telemetry.stopping();
      await server.stop(shutdown.shutdownDelay, shutdown.shutdownGrace);
      await web?.stop(shutdown.shutdownGrace);
      await opened.close();
    });
    const parts: Reloadable[] = [
      {
        name: 'log',
        settings: ['logLevel'],
        reload: ({ logLevel }) => {
          log.level = logLevel;
        },
      },
      {
        name: 'shutdown',
        settings: ['shutdownDelay', 'shutdownGrace'],
        reload: (changed) => {
          shutdown = changed;
        },
      },
      ...(certificates ? [{ name: 'certificates', reload: () => certificates.reload() }] : []),
      ...(gate ? [{ name: 'access', reload: () => gate.reload() }] : []),
      ...telemetry.reloadables,
    ];
    const reloader = new Reloader(config, parts, log);
    return {
      ...engine,
      address,
      webAddress: web?.address,
      metricsAddress: telemetry.address,
      failed,
      get streams() {
        return server.streams;
      },
      reload: (settings = {}) => reloader.reload(settings),
      close,
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** Closes what was opened, in the opposite order, when the server stops or cannot start. */
class Opened {
  readonly #parts: { close(): void | Promise<void> }[] = [];

  add<T extends { close(): void | Promise<void> } | undefined>(part: T): T {
    if (part) this.#parts.push(part);
    return part;
  }

  async close(): Promise<void> {
    for (let part = this.#parts.pop(); part; part = this.#parts.pop()) await part.close();
  }
}

/** No middleware where no caller can have limits. */
function chargeWhereLimited({ quotas, connectionQuotas }: Config, gate: Gate | undefined, clock?: Clock): Middleware[] {
  const limited = [quotas, connectionQuotas].some((limits) => Object.keys(limits).length > 0);
  if (!limited && !gate) return [];
  const now = clock ?? (() => performance.now());
  return [charge(new Quotas({ quotas, connectionQuotas, limitsOf: (name) => gate?.limits(name), now }))];
}

/** Opens the engine alone, for programs that want contexts, deltas and watches in their own process. */
export async function openChord(options: ChordOptions = {}): Promise<Engine> {
  const { store, provider, clock, formatters: _, ...settings } = options;
  return openEngine(loadConfig({ options: settings }), { store, provider, clock, onError: () => {} });
}

async function openEngine(
  config: Config,
  parts: Omit<Plugins, 'formatters'> & {
    readonly onError: (error: unknown) => void;
    readonly spans?: WriteSpans | undefined;
  },
): Promise<Engine> {
  const own = parts.clock && checkClock(parts.clock);
  const provider = await openExternal(config, parts.provider);
  if (config.exportOnExpiry && !provider) throw new ConfigError(['exportOnExpiry needs an exportUrl to export to']);
  const opening = parts.store ? openPlugin('store', parts.store, config) : openStore(config);
  const opened = await opening.catch(async (error) => {
    await provider?.close();
    throw error;
  });
  const tiered = config.deltaRetention.length > 0;
  if (tiered && !opened.thin) {
    await Promise.all([provider?.close(), opened.close()]);
    throw new ConfigError(['deltaRetention needs a store that merges deltas; this one has no `thin`']);
  }
  const { spans } = parts;
  const store = spans ? spans.store(opened) : opened;
  const clock = own ?? store.cluster?.clock ?? Date.now;
  const hub = new Hub(store.cluster?.feed);
  const contexts = new ContextService({
    ...config,
    store,
    clock,
    publish: (event) => {
      hub.publish(event);
      noteWrites(event, (id, version) => cleanup.wrote(id, version));
    },
    onError: parts.onError,
    onMembers: (due) => cleanup.memberExpiresAt(due),
    keepExpired: config.exportOnExpiry,
    thins: () => cleanup.thins,
    traceEvaluation: spans && ((evaluate) => spans.evaluation(evaluate)),
  });
  store.cluster?.feed.listen((event) => contexts.onFeed(event));
  const { onError } = parts;
  const transfer = new Transfer({ ...config, store, contexts, provider, clock, timeout: config.exportTimeout });
  const cleanup = new Sweeper({
    ...{ store, contexts, clock, onError },
    // Watchers may have been told that it is gone, and look again.
    onClockSetBack: () => hub.publish({ kind: 'gap' }),
    archive: config.exportOnExpiry ? new ArchiveBeforeExpiry(transfer, clock) : undefined,
    options: config,
    interval: config.cleanupInterval,
  });
  const close = once(async () => {
    await Promise.all([transfer.close(), cleanup.close()]);
    await store.close();
  });
  try {
    return { contexts, hub, cleanup: await cleanup.open(), transfer, store, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Tells of new versions. */
function noteWrites(event: CommitEvent, wrote: (id: string, version: number) => void): void {
  if (event.kind === 'delta') wrote(event.id, event.delta.to.version);
  if (event.kind === 'batch') for (const each of event.events) noteWrites(each, wrote);
}

async function openExternal(config: Config, own: Plugins['provider']): Promise<Provider | undefined> {
  if (own) return openPlugin('provider', own, config);
  const { exportUrl, exportTimeout, exportCa } = config;
  return exportUrl === '' ? undefined : openProvider(exportUrl, exportTimeout, exportCa);
}

async function openStore(config: Config): Promise<Store> {
  switch (config.backend) {
    case 'lmdb':
      return openLmdb({ directory: config.dataDir, minFreeBytes: config.minFreeBytes });
    case 'redis':
      return openOnRedis(config);
    case 'memory':
      return openMemory();
    default:
      throw new Error(`no such backend: ${config.backend}`);
  }
}

/** Loads what speaks HTTP only when it is needed. */
async function openWeb(
  config: Config,
  { pipeline, arrivals, services }: GrpcServer,
  certificates: Certificates | undefined,
  { connections, log }: Telemetry,
): Promise<WebServer> {
  const [{ WebApi }, { WebServer }, { Pages }] = await Promise.all([
    import('../web/api.js'),
    import('../web/server.js'),
    import('../web/pages.js'),
  ]);
  return new WebServer({
    ...{ ...config, listen: config.webListen, origins: config.webOrigins, certificates, arrivals, connections },
    api: new WebApi(pipeline, services),
    pages: config.webConsole === 'on' ? new Pages() : undefined,
    onDefect: (error) => log.error({ err: error }, 'a request over HTTP failed'),
  });
}

/** Loads the Redis client only when it is needed. */
async function openOnRedis({ redisUrl: url, redisPrefix: prefix, redisTimeout: timeout }: Config): Promise<Store> {
  const { openRedis } = await import('../store/redis/store.js');
  return openRedis({ url, prefix, timeout });
}

/** Later calls join the first one. */
function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => (closing ??= close());
}
