/** A peer that does as a test tells it: a real server goes wrong only by accident. */
import type { EventEmitter } from 'node:events';
import { Server, ServerCredentials, type ServerOptions, type ServerWritableStream, status } from '@grpc/grpc-js';
import type { ExecutionContext } from 'ava';
import { FullReason } from '../../src/gen/chord/v1/model.js';
import type { WatchContextsRequest, WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../../src/index.js';
import { type Client, type ClientOptions, connect } from '../../src/index.js';
import { contextService, syncService } from './definitions.js';

export type Stream = ServerWritableStream<WatchContextsRequest, WatchContextsResponse>;
type Answer = (error: object | null, value?: object) => void;

interface Named {
  readonly request: { readonly contextId: string };
}

export interface Peer {
  readonly address: string;
  readonly server: Server;
}

export async function startPeer(
  t: ExecutionContext,
  does: {
    readonly watch?: (stream: Stream, opened: number) => void;
    readonly wait?: (answer: Answer, asked: number, call: EventEmitter) => void;
    readonly set?: (call: { getDeadline(): Date | number; getPeer(): string }, answer: Answer) => void;
    readonly get?: (contextId: string, answer: Answer) => void;
    readonly update?: (contextId: string, answer: Answer) => void;
  },
  port = 0,
  options: ServerOptions = {},
): Promise<Peer> {
  const server = new Server(options);
  let opened = 0;
  let asked = 0;
  server.addService(syncService, {
    watchContexts: (stream: Stream) => does.watch?.(stream, ++opened),
    waitContext: (call: EventEmitter, answer: Answer) => does.wait?.(answer, ++asked, call),
  });
  server.addService(contextService, {
    setContext: (call: Parameters<NonNullable<typeof does.set>>[0], answer: Answer) => does.set?.(call, answer),
    getContext: ({ request }: Named, answer: Answer) => does.get?.(request.contextId, answer),
    updateContext: ({ request }: Named, answer: Answer) => does.update?.(request.contextId, answer),
  });
  const bound = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, at) => (error ? reject(error) : resolve(at)));
  });
  t.teardown(() => server.forceShutdown());
  return { address: `127.0.0.1:${bound}`, server };
}

export function connectedTo(t: ExecutionContext, { address }: Peer, options?: ClientOptions): Client {
  const client = connect(address, { retry: { backoffMin: 1, backoffMax: 4 }, ...options });
  t.teardown(() => client.close());
  return client;
}

export const at = (version: number): Position => ({ epoch: 'e', version, digest: `d${version}` });

export function full(contextId: string, version: number, value: JsonObject, more = false): WatchContextsResponse {
  const context = { contextId, value, position: at(version) } as never;
  return { event: { $case: 'full', value: { context, reason: FullReason.INITIAL } }, more };
}

/** Sets `n`. */
export function delta(contextId: string, from: number, n: number, more = false, path = ['n']): WatchContextsResponse {
  const changes = [{ path, action: 2, value: n }];
  const value = { contextId, from: at(from), to: at(from + 1), changes, inexpressible: '' } as never;
  return { event: { $case: 'delta', value }, more };
}

export const caughtUp: WatchContextsResponse = { event: { $case: 'caughtUp', value: {} }, more: false };
export const heartbeat = { event: { $case: 'heartbeat', value: {} }, more: false } as WatchContextsResponse;

export function end(stream: Stream, code = status.UNAVAILABLE, details = 'away'): void {
  stream.emit('error', { code, details });
}
