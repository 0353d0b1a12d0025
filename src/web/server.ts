/** The web port: the API for browsers and for programs that speak HTTP, and the console. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2SecureServer, Http2ServerRequest, ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Code, ConnectError } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Arrivals } from '../grpc/connection-limits.js';
import { PortListener } from '../grpc/transport/listener.js';
import type { Connections } from '../observability/connections.js';
import type { WebApi } from './api.js';
import { orNotModified } from './entity-tag.js';
import { type HttpOptions, type HttpServers, openHttp } from './listener.js';
import { corsHeaders, isHost, isOwnName, isUnreadable, type OriginPolicy, PREFLIGHT } from './origins.js';
import type { Pages } from './pages.js';
import type { WebCaller } from './web-call.js';

export interface WebOptions extends HttpOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  /** Connections that may wait to be accepted. */
  readonly acceptQueue: number;
  readonly origins: readonly string[];
  readonly api: WebApi;
  /** The console; undefined: none is served. */
  readonly pages: Pages | undefined;
  readonly arrivals: Arrivals;
  readonly connections: Connections;
  /** Called with each error that is a defect. */
  readonly onDefect: (error: unknown) => void;
}

/** Milliseconds. Browsers send a request to its end before they read an answer that came early. */
const DISCARD_WITHIN = 5000;
/** Headers of every answer: what is sent is never taken for a page, a script or another site's content, nor for the answer to another reader. */
const SAFE = {
  'x-content-type-options': 'nosniff',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  vary: 'origin, accept-encoding',
};
/** What GET answers may be kept by a browser that asks each time whether it is still current: see entity-tag.ts. */
const REVALIDATED = 'no-cache';
/** Chromium reads some 70 MB of a stream ahead of the page, unless it must not store the stream: a slow reader would get no merged deltas. */
const NOT_STORED = 'no-store';

export class WebServer {
  readonly #http: HttpServers;
  readonly #origins: OriginPolicy;
  readonly #sockets = new Set<Socket>();
  #listener: PortListener | undefined;

  constructor(private readonly options: WebOptions) {
    const { certificates, origins, arrivals, connections } = options;
    this.#origins = { allowed: origins, encrypted: certificates !== undefined };
    this.#http = openHttp(options, (request, response) => void this.#serve(request, response));
    this.#http.http2.on('session', (session) => arrivals.begun(session, session.socket));
    if (certificates) (this.#http.http2 as Http2SecureServer).on('tlsClientError', connections.failed);
  }

  /** HOST:PORT with the real port. */
  get address(): string {
    const { listen } = this.options;
    return `${listen.slice(0, listen.lastIndexOf(':'))}:${this.#listener?.port}`;
  }

  /** Rejects with UNAVAILABLE where it cannot listen. */
  async start(): Promise<void> {
    const { listen, acceptQueue } = this.options;
    this.#listener = await PortListener.open(listen, acceptQueue, (socket) => this.#accept(socket));
  }

  /** Waits for requests under way, and cuts off the rest after `grace` milliseconds. */
  async stop(grace: number): Promise<void> {
    const closed = this.#listener?.closeWithin(grace);
    this.#http.closeIdle();
    await closed;
    for (const socket of this.#sockets) socket.destroy();
    await this.#listener?.close();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    this.options.connections.accepted(socket);
    this.options.arrivals.arrived(socket);
    this.#http.accept(socket);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Aborted) this.options.onDefect(error); // else the client has gone
      response.destroy();
    } finally {
      if (!request.complete) discard(request);
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    toOrigin(request);
    const { method, headers } = request;
    const path = request.url?.replace(/\?.*/s, '') ?? '';
    const host = (headers[':authority'] as string | undefined) ?? headers.host;
    for (const [name, value] of Object.entries(SAFE)) response.setHeader(name, value);
    const isHead = method === 'HEAD';
    response.setHeader('cache-control', method === 'GET' || isHead ? REVALIDATED : NOT_STORED);
    if (!isHost(host)) return say(response, 400, 'no host name that can be read');
    if (!isOwnName(host, this.#origins)) return say(response, 421, 'unknown host name: see --web-origins');
    const cors = corsHeaders(headers.origin, host, this.#origins);
    if (!cors) return say(response, 403, 'origin not allowed: see --web-origins');
    for (const [name, value] of Object.entries(cors)) response.setHeader(name, value);
    const { api, pages } = this.options;
    if (pages?.serves(path)) return pages.answer(path, request, response);
    if (!api.serves(path)) return say(response, 404, 'no such page or method');
    if (isUnreadable(headers)) return say(response, 403, 'a page of another origin asks without CORS');
    if (method === 'OPTIONS') {
      response.writeHead(204, PREFLIGHT).end();
      return;
    }
    if (isPlainPost(headers)) headers['content-type'] = 'application/json';
    const connection = this.#connectionOf(request);
    const universal = universalRequestFromNodeRequest(request, response, undefined, undefined);
    // A request that is not read to its end is answered too: its socket must stay.
    const body = request.iterator({ destroyOnReturn: false });
    const asked = { ...universal, body, method: isHead ? 'GET' : universal.method };
    const answer = await api.answer(path, asked, callerOf(request), connection);
    const sent = orNotModified(answer, headers['if-none-match']);
    if (isHead) {
      response.writeHead(sent.status, Object.fromEntries(sent.header ?? [])).end();
      return;
    }
    tellEnd(response);
    await universalResponseToNodeResponse(sent, response);
  }

  #connectionOf(request: IncomingMessage): object {
    const session = (request as unknown as Partial<Http2ServerRequest>).stream?.session;
    if (session) return session;
    this.options.arrivals.begun(request.socket, request.socket);
    return request.socket;
  }
}

/** A target in the absolute form of HTTP/1.1, which names the host as well: as if it had come with that host in its header (RFC 9112, 3.2.2). */
function toOrigin(request: IncomingMessage): void {
  const [, host, rest = ''] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(request.url ?? '') ?? [];
  if (host === undefined || request.httpVersionMajor !== 1) return;
  request.headers.host = host;
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
}

/** Connect waits until an answer has ended by an event that the responses of Node do not have. */
function tellEnd(response: ServerResponse & { readonly stream?: ServerHttp2Stream }): void {
  const written = response.stream ?? response;
  written.once('finish', () => response.emit('end'));
}

/**
 * What `curl -d` sends. Of a browser it could come from a form on any page, which needs no permission to send it; a browser
 * names the origin.
 */
function isPlainPost({ origin, 'content-type': type, 'sec-fetch-site': site }: IncomingMessage['headers']): boolean {
  return origin === undefined && site === undefined && type === 'application/x-www-form-urlencoded';
}

/** Reads the rest of a request for a moment: a socket that is closed with unread bytes loses the answer, too. */
function discard(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), DISCARD_WITHIN).unref();
  request.once('close', () => clearTimeout(timer)).resume();
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}

function callerOf({ socket, headers }: IncomingMessage): WebCaller {
  const { authorized, getPeerCertificate } = socket as Partial<TLSSocket>;
  const authContext = () => {
    const sslPeerCertificate = authorized ? getPeerCertificate?.call(socket) : undefined;
    return sslPeerCertificate?.raw ? { transportSecurityType: 'ssl', sslPeerCertificate } : {};
  };
  return { peer: `${socket.remoteAddress}:${socket.remotePort}`, headers, authContext };
}
