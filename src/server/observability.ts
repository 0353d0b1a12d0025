/**
 * Logs, metrics, audit log, traces and statistics of a running server: built from the settings, for app.ts to connect.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { type Config, KEYS, SETTINGS } from '../config/config.js';
import type { Middleware } from '../grpc/call.js';
import { auditMiddleware } from '../grpc/middleware/audit.js';
import { loggingMiddleware } from '../grpc/middleware/logging.js';
import { metricsMiddleware } from '../grpc/middleware/metrics.js';
import { durationMiddleware, tracingMiddleware } from '../grpc/middleware/tracing.js';
import type { StatsSource } from '../grpc/services/admin.js';
import { AuditLog } from '../observability/audit.js';
import { Calls } from '../observability/calls.js';
import { Connections } from '../observability/connections.js';
import { Deliveries } from '../observability/deliveries.js';
import type { Endpoint } from '../observability/endpoint.js';
import { isText } from '../observability/log.js';
import { LogRateLimit } from '../observability/log-rate-limit.js';
import { families, type MetricSources } from '../observability/metrics.js';
import { networkOf } from '../observability/network-address.js';
import { type OpenTelemetry, openOpenTelemetry } from '../observability/opentelemetry.js';
import { callDurations, observeMetrics } from '../observability/otel-metrics.js';
import { StatsView } from '../observability/stats.js';
import { WriteSpans } from '../observability/write-spans.js';
import { HeapRoom } from './heap-room.js';
import { isLoopback } from './loopback.js';
import type { Reloadable } from './reload.js';
import { version } from './version.js';

/** Metric sources that other parts of the server provide. */
export type Observed = Omit<MetricSources, 'audit' | 'calls' | 'connections' | 'deliveries'>;

export class Telemetry {
  readonly calls = new Calls();
  readonly #refusals = new LogRateLimit((connections, caller) =>
    this.log.warn({ connections, ...caller }, 'more connections were refused'),
  );
  readonly connections = new Connections({
    changed: (peer, open) => this.log.debug({ peer }, open ? 'connection opened' : 'connection closed'),
    refused: (peer, reason) => {
      if (this.#refusals.admits({ address: networkOf(peer.replace(/:\d+$/, '')) }))
        this.log.info({ peer, reason }, 'connection refused');
    },
  });
  readonly deliveries = new Deliveries();
  #audit: AuditLog | undefined;
  /** Runs before all other middleware. */
  readonly middleware: readonly Middleware[];
  /** Statistics for AdminService.WatchStats. */
  readonly stats: StatsSource;
  /** Where there is a tracer. */
  readonly writeSpans: WriteSpans | undefined;
  readonly #heap: HeapRoom;
  #stopObserving = () => {};
  #observed: (() => Observed) | undefined;
  #state: 'starting' | 'serving' | 'stopping' = 'starting';
  #endpoint: Endpoint | undefined;

  /** Throws where the audit log cannot be opened. */
  static async open(config: Config, log: Logger, backend: string): Promise<Telemetry> {
    return new Telemetry(config, log, await openOpenTelemetry(version()), backend);
  }

  private constructor(
    private readonly config: Config,
    readonly log: Logger,
    private readonly otel: OpenTelemetry | undefined,
    backend: string,
  ) {
    this.stats = {
      version: version(),
      backend,
      startedAt: Date.now(),
      look: () => new StatsView(() => this.#sources()),
    };
    this.#heap = new HeapRoom(log);
    if (config.auditLog !== '') this.#audit = this.#openAudit();
    const { api, tracer, meter } = otel ?? {};
    this.writeSpans = api && tracer && new WriteSpans(api, tracer);
    this.middleware = [
      metricsMiddleware(this.calls),
      ...(meter ? [durationMiddleware(callDurations(meter))] : []),
      ...(api && tracer ? [tracingMiddleware(tracer, api)] : []),
      loggingMiddleware(log, () => this.#state === 'stopping'),
      ...(this.#audit ? [auditMiddleware(this.#audit)] : []),
    ];
  }

  /** The address of metrics, HOST:PORT with the real port. */
  get address(): string | undefined {
    return this.#endpoint?.address;
  }

  /** Opens the port for metrics, if set. Rejects where that fails. */
  async start(observed: () => Observed): Promise<void> {
    this.#observed = observed;
    const { meter } = this.otel ?? {};
    if (meter) this.#stopObserving = observeMetrics(meter, () => families(this.#sources()));
    const { metricsListen } = this.config;
    if (metricsListen === 'off') return;
    const { openEndpoint } = await import('../observability/endpoint.js');
    this.#endpoint = await openEndpoint(metricsListen, {
      families: () => families(this.#sources()),
      unready: () => this.#unready(observed()),
      localNamesOnly: isLoopback(metricsListen),
    });
  }

  /**
   * @param address the gRPC address, HOST:PORT
   * @param web that of the API over HTTP
   */
  serving(address: string, web: string | undefined): void {
    this.#state = 'serving';
    this.#tell('serving', { address, web, metrics: this.address, settings: changed(this.config) });
  }

  stopping(): void {
    this.#state = 'stopping';
    this.#tell('stopping');
  }

  /** Reloads the audit log: log rotation has moved its file away. */
  get reloadables(): Reloadable[] {
    const audit = this.#audit;
    return audit ? [{ name: 'audit log', reload: () => audit.reopen() }] : [];
  }

  async close(): Promise<void> {
    this.#stopObserving();
    this.#heap.stop();
    this.#refusals.close();
    this.#endpoint?.close();
    await this.#audit?.close();
    if (this.#state === 'stopping') this.#tell('stopped');
  }

  #openAudit(): AuditLog {
    const { log } = this;
    return new AuditLog(this.config.auditLog, {
      failed: (err) => log.error({ err }, 'the audit log cannot be written: only reads are served'),
      recovered: () => log.warn('the audit log can be written again'),
      lost: (entries) => log.error({ entries }, 'entries of the audit log are lost'),
    });
  }

  #sources(): MetricSources {
    const { calls, connections, deliveries } = this;
    return { ...this.#observed!(), calls, connections, deliveries, audit: this.#audit };
  }

  /** On a terminal the output of `chord serve` already says so. */
  #tell(what: string, fields: object = {}): void {
    this.log[isText(this.config) ? 'debug' : 'info'](fields, what);
  }

  #unready({ store, late, workers }: Observed): string | undefined {
    if (this.#state !== 'serving') return `the server is ${this.#state}`;
    if (late) return 'the event loop has been late for long';
    if (workers?.running === 0) return 'no worker process is running';
    const { serving, detail } = store.health();
    return serving ? undefined : `the store does not serve: ${detail}`;
  }
}

/** Settings that differ from their defaults, as text; passwords are hidden. */
function changed(config: Config): Record<string, string> {
  const others = KEYS.filter((key) => !isDeepStrictEqual(config[key], SETTINGS[key].default));
  return Object.fromEntries(
    others.map((key) => [key, (SETTINGS[key].format as (value: unknown) => string)(config[key])]),
  );
}
