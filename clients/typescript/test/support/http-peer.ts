/** A peer over HTTP that does as a test tells it: a real server goes wrong only by accident. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';
import { envelope } from '../../src/connect-protocol.js';
import { WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';

export type HttpAnswer = (request: IncomingMessage, response: ServerResponse, asked: number) => void;

/** Answers its URL. */
export async function startHttpPeer(t: ExecutionContext, answer: HttpAnswer): Promise<string> {
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume();
    answer(request, response, ++asked);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Begins a stream, with these events. */
export function stream(response: ServerResponse, ...events: WatchContextsResponse[]): void {
  response.writeHead(200, { 'content-type': 'application/connect+proto' }).flushHeaders();
  for (const event of events) response.write(envelope(WatchContextsResponse.encode(event).finish()));
}

/** Ends it, as the protocol has it. */
export function endStream(response: ServerResponse, error?: object): void {
  const end = envelope(Buffer.from(JSON.stringify({ error })));
  end[0] = 2;
  response.end(end);
}

export function refuse(response: ServerResponse, status: number, body: object | string): void {
  const type = typeof body === 'string' ? 'text/html' : 'application/json';
  response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));
}
