/** A peer that says what a scenario tells it to: a real server tears no batch, and ends no stream for good at will. */
import { EventEmitter, once } from 'node:events';
import { Server, ServerCredentials, type status } from '@grpc/grpc-js';
import type { Change } from '../../src/delta/index.js';
import { FullReason } from '../../src/gen/chord/v1/model.js';
import { SyncServiceService, type WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import { toProto } from '../vectors/proto.js';
import { type EventStream, startWebPeer } from './web.js';

export class Peer {
  readonly #server = new Server();
  readonly #opened = new EventEmitter();
  readonly #streams: EventStream[] = [];
  #taken = 0;
  #address = '';
  #endWeb = () => {};

  private constructor() {
    this.#server.addService(SyncServiceService, {
      watchContexts: (stream: EventStream) => this.#open(stream),
    });
  }

  static async start(): Promise<Peer> {
    const peer = new Peer();
    const port = await new Promise<number>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      peer.#server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    peer.#address = `127.0.0.1:${port}`;
    peer.#endWeb = await startWebPeer(peer.#address, (stream) => peer.#open(stream));
    return peer;
  }

  #open(stream: EventStream): void {
    this.#streams.push(stream);
    this.#opened.emit('stream');
  }

  get address(): string {
    return this.#address;
  }

  /** The next stream that a client opens, and where it says that it stands: version by id. */
  async next(): Promise<{ stream: EventStream; known: Record<string, number> }> {
    while (this.#streams.length <= this.#taken) await once(this.#opened, 'stream');
    const stream = this.#streams[this.#taken++]!;
    const known: Record<string, number> = {};
    for (const subscription of stream.request.subscriptions) {
      for (const [id, { version }] of subscription.known) known[id] = version;
    }
    return { stream, known };
  }

  end(): void {
    this.#server.forceShutdown();
    this.#endWeb();
  }
}

export const at = (version: number): Position => ({ epoch: 'e', version, digest: `d${version}` });

export function full(contextId: string, version: number, value: JsonObject): WatchContextsResponse {
  const times = { createdAt: undefined, updatedAt: undefined, expiresAt: undefined };
  const context = { contextId, value, position: at(version), ...times };
  return { event: { $case: 'full', value: { context, reason: FullReason.INITIAL } }, more: false };
}

/** Sets `n`, and leads from a version to the next. */
export function delta(contextId: string, from: number, n: number, more = false): WatchContextsResponse {
  const change: Change = { action: 'modified', path: ['n'], value: n };
  const ends = { from: at(from), to: at(from + 1), updatedAt: undefined };
  const value = { contextId, ...ends, changes: [toProto(change)], formatted: undefined, inexpressible: '' };
  return { event: { $case: 'delta', value }, more };
}

export const caughtUp: WatchContextsResponse = { event: { $case: 'caughtUp', value: {} }, more: false };

export function fail(stream: EventStream, code: status, details: string): void {
  stream.emit('error', { code, details });
}
