/** What the engine and its workers say beside calls: over the channel between the processes, which also passes sockets. */
import type { RelayedMethod } from './relay.js';
import type { TlsMessage } from './tls-context.js';

/** Settings of the HTTP/2 side; each worker has its share of the limits. */
export interface WorkerSettings {
  readonly maxStreamsPerConnection: number;
  readonly keepaliveInterval: number;
  readonly keepaliveTimeout: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly identifyTimeout: number;
  /** Bytes of incomplete requests; the engine bounds their number and their time. */
  readonly unfinishedBytesMax: number;
  readonly methods: readonly RelayedMethod[];
}

export type ToWorker =
  | { readonly kind: 'start'; readonly settings: WorkerSettings; readonly tls: TlsMessage | undefined }
  /** With a socket. */
  | { readonly kind: 'connection'; readonly number: number }
  /** The connections that were sent before. Node drops a connection silently where its client has gone, or the worker has no file descriptor left. */
  | { readonly kind: 'passed'; readonly numbers: readonly number[] }
  | { readonly kind: 'tls'; readonly tls: TlsMessage }
  | { readonly kind: 'stop'; readonly grace: number };

export type FromWorker = { readonly kind: 'ready' } | { readonly kind: 'stopped' };

/** What a worker process uses. */
export interface WorkerUsage {
  /** Seconds of processor time since its start. */
  readonly cpu: number;
  readonly residentBytes: number;
}
