/** How calls reach the call pipeline: over HTTP/2 in this process, or from worker processes. */
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { Connections } from '../../observability/connections.js';
import type { Middleware } from '../call.js';
import { type ArrivalOptions, Arrivals } from '../connection-limits.js';
import type { CallPipeline } from '../pipeline.js';
import { Http2, type Http2Options } from './http2-server.js';
import { PortListener } from './listener.js';

/** What the limits of connections need to know of calls. */
export interface ConnectionWatch {
  /** Runs after authentication: its caller has an identity. */
  readonly know: Middleware;
  /** Runs for calls that are open to strangers: such a call shows that the connection is in use. */
  readonly notice: Middleware;
  /** @param yes whether a health watch is open on the connection */
  watches(connection: object, yes: boolean): void;
}

export interface Transport {
  readonly connections: ConnectionWatch;
  /** For other ports of this process. */
  readonly arrivals: Arrivals;
  /**
   * Listens; resolves with the port.
   * @param pipeline answers all calls of these services
   */
  start(pipeline: CallPipeline, services: readonly ServiceDefinition[]): Promise<number>;
  /** Lets calls under way end, and cuts off the rest after `grace`, in milliseconds. */
  stop(grace: number): Promise<void>;
}

export interface ListenOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** Connections that may wait to be accepted. */
  readonly acceptQueue: number;
}

export interface LocalOptions extends ListenOptions, Http2Options, ArrivalOptions {
  readonly connections: Connections;
}

/** What is cut off after the grace has this long to be gone, in milliseconds. */
export const CLOSE_WITHIN = 500;

export class LocalTransport implements Transport {
  readonly arrivals: Arrivals;
  #http2: Http2 | undefined;
  #listener: PortListener | undefined;

  constructor(private readonly options: LocalOptions) {
    this.arrivals = new Arrivals(options);
  }

  get connections(): ConnectionWatch {
    return this.arrivals;
  }

  async start(pipeline: CallPipeline, services: readonly ServiceDefinition[]): Promise<number> {
    const { listen, acceptQueue, connections } = this.options;
    const http2 = new Http2(this.options, pipeline.intercept, services);
    this.#http2 = http2;
    http2.open(this.arrivals, connections);
    this.#listener = await PortListener.open(listen, acceptQueue, (socket) => {
      connections.accepted(socket);
      http2.inject(socket);
    });
    return this.#listener.port;
  }

  async stop(grace: number): Promise<void> {
    const closed = this.#listener?.closeWithin(grace + CLOSE_WITHIN);
    this.#http2?.drain(grace);
    await closed;
    this.arrivals.close();
  }
}
