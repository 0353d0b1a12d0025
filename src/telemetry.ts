/** What a server tells of itself while it runs: built from the settings, for app.ts to put in its places. */
import { type Config, ConfigError } from './config.js';
import { measured } from './grpc/measured.js';
import { isLoopback } from './loopback.js';
import { Calls } from './observe/calls.js';
import { Connections } from './observe/connections.js';
import { Deliveries } from './observe/deliveries.js';
import type { Endpoint } from './observe/endpoint.js';
import { families, type Sources } from './observe/metrics.js';
import type { StoreHealth } from './store/store.js';

/** What it has no counts of itself. */
export type Observed = Omit<Sources, 'calls' | 'connections' | 'deliveries'>;

export class Telemetry {
  readonly calls = new Calls();
  readonly connections = new Connections();
  readonly deliveries = new Deliveries();
  /** They come before all others. */
  readonly stages = [measured(this.calls)];
  #state: 'starting' | 'serving' | 'stopping' = 'starting';
  #endpoint: Endpoint | undefined;

  constructor(private readonly config: Config) {}

  /** Where metrics are, HOST:PORT with the real port. */
  get address(): string | undefined {
    return this.#endpoint?.address;
  }

  /** Opens the port for metrics, where one is set. Rejects where that cannot be. */
  async open(observed: () => Observed): Promise<void> {
    const { metricsListen } = this.config;
    if (metricsListen === 'off') return;
    if (!isLoopback(metricsListen)) throw new ConfigError([`metricsListen must be on loopback, got ${metricsListen}`]);
    const { calls, connections, deliveries } = this;
    const { openEndpoint } = await import('./observe/endpoint.js');
    this.#endpoint = await openEndpoint(metricsListen, {
      families: () => families({ ...observed(), calls, connections, deliveries }),
      unready: () => this.#unready(observed().store.health()),
    });
  }

  /** @param address where gRPC is served, HOST:PORT */
  serving(address: string): void {
    this.#state = 'serving';
    this.connections.watch(Number(address.slice(address.lastIndexOf(':') + 1)));
  }

  stopping(): void {
    this.#state = 'stopping';
  }

  close(): void {
    this.connections.close();
    this.#endpoint?.close();
  }

  #unready({ serving, detail }: StoreHealth): string | undefined {
    if (this.#state !== 'serving') return `the server is ${this.#state}`;
    return serving ? undefined : `the store does not serve: ${detail}`;
  }
}
