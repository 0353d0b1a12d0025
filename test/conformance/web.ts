/** The web ports of servers, for drivers in a browser: `connect` names the gRPC port, and such a driver gets the other one. */
import { EventEmitter, once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { status } from '@grpc/grpc-js';
import { WatchContextsRequest, WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';

/** The origin of the driver's page, which servers allow. */
export const ORIGIN = 'http://driver.localhost';

const webPorts = new Map<string, string>();

/** @param address of the gRPC port @param web HOST:PORT */
export function announceWeb(address: string, web: string): void {
  webPorts.set(address, web);
}

/** HOST:PORT; undefined where the server has no web port. */
export function webPortOf(address: string): string | undefined {
  return webPorts.get(address);
}

/** What a peer needs of a stream, over gRPC or over HTTP. */
export interface EventStream {
  readonly request: WatchContextsRequest;
  write(event: WatchContextsResponse): unknown;
  emit(name: 'error', error: { readonly code: status; readonly details: string }): boolean;
}

const CORS = {
  'access-control-allow-origin': ORIGIN,
  'access-control-allow-headers': 'content-type, connect-protocol-version, connect-timeout-ms',
};

/** A web port that serves watches alone, in the protocol Connect. Answers what ends it. */
export async function startWebPeer(address: string, opened: (stream: EventStream) => void): Promise<() => void> {
  const server = createServer(async (request, response) => {
    if (request.method === 'OPTIONS') response.writeHead(204, CORS).end();
    else opened(await streamOf(request, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  announceWeb(address, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  return () => {
    server.closeAllConnections();
    server.close();
  };
}

async function streamOf(request: IncomingMessage, response: ServerResponse): Promise<EventStream> {
  const body = await buffer(request);
  response.writeHead(200, { 'content-type': 'application/connect+proto', ...CORS }).flushHeaders();
  const stream = Object.assign(new EventEmitter(), {
    request: WatchContextsRequest.decode(body.subarray(5)),
    write: (event: WatchContextsResponse) => response.write(envelope(0, WatchContextsResponse.encode(event).finish())),
  });
  stream.on('error', ({ code, details }: { code: status; details: string }) => {
    const error = { code: status[code].toLowerCase(), message: details };
    response.end(envelope(2, Buffer.from(JSON.stringify({ error }))));
  });
  return stream;
}

function envelope(flags: number, message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
