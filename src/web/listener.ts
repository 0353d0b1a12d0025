/** HTTP/1.1 and HTTP/2 on one port: with TLS the handshake chooses, in plaintext the first bytes do. */
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2,
  createSecureServer,
  type Http2SecureServer,
  type Http2Server,
  type Http2Session,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Certificates } from '../tls/certificates.js';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface HttpOptions {
  /** Undefined: no TLS. */
  readonly certificates: Certificates | undefined;
  readonly maxStreamsPerConnection: number;
  /** Milliseconds in which a request must arrive completely; 0: no limit. */
  readonly requestTimeout: number;
}

/** What answers the connections of a port. */
export interface HttpServers {
  /** Begins HTTP/2 sessions. With TLS it answers HTTP/1.1 too, and emits `tlsClientError`. */
  readonly http2: Http2Server | Http2SecureServer;
  accept(socket: Socket): void;
  /** Ends idle connections; the others when their requests end. */
  closeIdle(): void;
}

const PREFACE = Buffer.from('PRI * HTTP/2.0');
/** An unfinished TLS handshake may hold a socket for this long, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;
const HEADER_BYTES_MAX = 64 * 1024;
const LOOK_INTERVAL = 1000;

export function openHttp(options: HttpOptions, handler: HttpHandler): HttpServers {
  const { certificates, requestTimeout, maxStreamsPerConnection } = options;
  const http1 = { requestTimeout, maxHeaderSize: HEADER_BYTES_MAX, connectionsCheckingInterval: LOOK_INTERVAL };
  const settings = { maxConcurrentStreams: maxStreamsPerConnection, maxHeaderListSize: HEADER_BYTES_MAX };
  return certificates ? encrypted(certificates, http1, settings, handler) : plaintext(http1, settings, handler);
}

function encrypted(certificates: Certificates, http1: object, settings: object, handler: HttpHandler): HttpServers {
  const { asksClients, context } = certificates;
  const idle = new IdleSockets();
  const http2 = createSecureServer(
    {
      ...{ ...context, ...http1, settings, allowHTTP1: true, handshakeTimeout: HANDSHAKE_TIMEOUT },
      ...{ requestCert: asksClients, rejectUnauthorized: asksClients },
    },
    trackIdle(idle, handler) as never,
  );
  certificates.onChange((renewed) => http2.setSecureContext(renewed));
  http2.on('secureConnection', (socket: TLSSocket & { readonly _parent: Socket }) => {
    idle.busy(socket._parent);
    if (socket.alpnProtocol !== 'h2') idle.add(socket);
  });
  const sessions = sessionsOf(http2);
  return {
    http2,
    accept: (socket) => {
      idle.add(socket);
      http2.emit('connection', socket);
    },
    closeIdle: () => {
      idle.close();
      closeAll(sessions);
    },
  };
}

function plaintext(options: object, settings: object, handler: HttpHandler): HttpServers {
  const idle = new IdleSockets();
  const http1 = createHttp1(options, trackIdle(idle, handler));
  const http2 = createHttp2({ settings }, handler as never);
  const sessions = sessionsOf(http2);
  return {
    http2,
    accept: (socket) => {
      idle.add(socket);
      choose(socket, (isHttp2) => {
        idle.busy(socket);
        (isHttp2 ? http2 : http1).emit('connection', socket);
      });
    },
    closeIdle: () => {
      idle.close();
      http1.close();
      closeAll(sessions);
    },
  };
}

/** Connections on which no request is under way, those that have said nothing yet included: browsers keep both. */
class IdleSockets {
  readonly #sockets = new Set<Socket>();
  readonly #known = new WeakSet<Socket>();
  #closing = false;

  add(socket: Socket): void {
    if (socket.destroyed) return;
    if (this.#closing) return void socket.destroySoon();
    this.#sockets.add(socket);
    if (this.#known.has(socket)) return;
    this.#known.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  busy(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  /** Destroys them, and the others as soon as they are idle. */
  close(): void {
    this.#closing = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A connection of HTTP/1 is idle between two requests; after `close` it ends with the request under way. */
function trackIdle(idle: IdleSockets, handler: HttpHandler): HttpHandler {
  return (request, response) => {
    const { httpVersionMajor, socket } = request;
    if (httpVersionMajor === 1) {
      idle.busy(socket);
      response.once('close', () => idle.add(socket));
    }
    handler(request, response);
  };
}

/** Reads until the first bytes tell the protocol, and puts them back. */
function choose(socket: Socket, chosen: (isHttp2: boolean) => void): void {
  let start = Buffer.alloc(0);
  const fail = () => socket.destroy();
  const look = () => {
    start = Buffer.concat([start, (socket.read() as Buffer | null) ?? Buffer.alloc(0)]);
    const known = Math.min(start.length, PREFACE.length);
    const same = start.subarray(0, known).equals(PREFACE.subarray(0, known));
    if (same && known < PREFACE.length) return;
    socket.off('readable', look).off('error', fail);
    socket.unshift(start);
    chosen(same);
  };
  socket.on('readable', look).on('error', fail);
}

function sessionsOf(server: Http2Server): Set<Http2Session> {
  const open = new Set<Http2Session>();
  server.on('session', (session) => {
    open.add(session);
    session.once('close', () => open.delete(session));
  });
  return open;
}

function closeAll(sessions: Iterable<Http2Session>): void {
  for (const session of sessions) session.close();
}
