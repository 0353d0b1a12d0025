/** The client of Chord for browsers, over HTTP: `import { connect, Replica } from 'chordstate/web'`. */
import { BaseClient } from './client.js';
import { Emitter } from './emitter.js';
import { HttpTransport } from './http-transport.js';
import type { CommonOptions } from './options.js';
import { type ReplicaEvents, replicaClass } from './replica.js';

export * from './api.js';
export type { CommonOptions as ClientOptions };

/** All calls throw ChordError. */
export class Client extends BaseClient {
  /** @param address the web port of a server, as `https://chord.example.com`; `/` is that of the page */
  constructor(address: string, options: CommonOptions = {}) {
    const transport = new HttpTransport(address, options.token, options.metadata);
    super(address, options, { transport, closing: new AbortController(), warn });
  }
}

/** Connects at the first call. @param address the web port of a server, as `https://chord.example.com`; `/` is that of the page */
export function connect(address: string, options: CommonOptions = {}): Client {
  return new Client(address, options);
}

/** A live local copy of contexts, which emits events as an `EventEmitter` of Node does. */
export class Replica extends replicaClass(Emitter<ReplicaEvents>) {}

function warn(warning: Error): void {
  console.warn(warning);
}
