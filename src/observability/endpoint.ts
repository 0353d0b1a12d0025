/** The HTTP endpoint for operators' tools: metrics for Prometheus, and probes of liveness and readiness. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { ChordError } from '../model/errors.js';
import { CONTENT_TYPE, expose, type Family } from './exposition.js';

export interface Endpoint {
  /** HOST:PORT, with the real port. */
  readonly address: string;
  close(): void;
}

export interface EndpointSources {
  readonly families: () => readonly Family[];
  /** Why the server should get no calls; undefined: it is ready. */
  readonly unready: () => string | undefined;
  /** Answer only what is asked by an address or as localhost: a page in a browser reaches loopback by a name of its own. */
  readonly localNamesOnly: boolean;
}

/** Rejects with UNAVAILABLE where it cannot listen. */
export async function openEndpoint(
  listen: string,
  { families, unready, localNamesOnly }: EndpointSources,
): Promise<Endpoint> {
  const node = await nodeMetrics();
  const answer: RequestListener = async ({ url, method, headers }, response) => {
    const say = (status: number, text: string, type = 'text/plain; charset=utf-8') => {
      if (status === 405) response.setHeader('allow', 'GET, HEAD');
      response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(text);
    };
    if (localNamesOnly && !isLocalName(headers.host)) return say(421, 'call it by its address, or localhost\n');
    if (method !== 'GET' && method !== 'HEAD') return say(405, 'only GET and HEAD\n');
    switch (url?.replace(/\?.*/, '')) {
      case '/metrics':
        return say(200, expose(families()) + (await node()), CONTENT_TYPE);
      case '/healthz':
        return say(200, 'ok\n');
      case '/readyz': {
        const why = unready();
        return why === undefined ? say(200, 'ok\n') : say(503, `${why}\n`);
      }
      default:
        return say(404, 'there are /metrics, /healthz and /readyz\n');
    }
  };
  const server = createServer((request, response) => {
    Promise.resolve(answer(request, response)).catch(() => response.destroy());
  });
  const colon = listen.lastIndexOf(':');
  const host = listen.slice(0, colon);
  server.listen(Number(listen.slice(colon + 1)), host.replace(/^\[|\]$/g, ''));
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ChordError('UNAVAILABLE', `cannot listen on ${listen}: ${(error as Error).message}`, { cause: error });
  }
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { address: `${host}:${(server.address() as AddressInfo).port}`, close };
}

/** An address, or localhost, with a port or without. A client of HTTP/1.0 names no host. */
function isLocalName(host = 'localhost'): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return isIP(name) !== 0 || /^localhost\.?$/i.test(name);
}

let ofNode: Promise<() => Promise<string>> | undefined;

/** Metrics of the process and of Node, shared by all servers of a process. */
function nodeMetrics(): Promise<() => Promise<string>> {
  ofNode ??= import('prom-client').then(({ collectDefaultMetrics, Registry }) => {
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    return () => registry.metrics();
  });
  return ofNode;
}
