/** The client of Chord for Node, over gRPC: `import { connect, Replica } from 'chordstate'`. */
import { EventEmitter, setMaxListeners } from 'node:events';
import { BaseClient } from './client.js';
import { type GrpcOptions, GrpcTransport, type TlsOptions } from './grpc-transport.js';
import type { CommonOptions } from './options.js';
import { type ReplicaEvents, replicaClass } from './replica.js';

export * from './api.js';
export type { TlsOptions };

/** Of a client on Node. */
export interface ClientOptions extends CommonOptions, GrpcOptions {}

/** All calls throw ChordError. */
export class Client extends BaseClient {
  /** @param address HOST:PORT */
  constructor(address: string, options: ClientOptions = {}) {
    const closing = new AbortController();
    setMaxListeners(0, closing.signal);
    super(address, options, { transport: new GrpcTransport(address, options), closing, warn });
  }
}

/** Connects at the first call. @param address HOST:PORT */
export function connect(address: string, options: ClientOptions = {}): Client {
  return new Client(address, options);
}

/** A live local copy of contexts, and an `EventEmitter`. */
export class Replica extends replicaClass(EventEmitter<ReplicaEvents>) {}

function warn(warning: Error): void {
  process.emitWarning(warning);
}
