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
  const http2 = createSecureServer(
    {
      ...{ ...context, ...http1, settings, allowHTTP1: true, handshakeTimeout: HANDSHAKE_TIMEOUT },
      ...{ requestCert: asksClients, rejectUnauthorized: asksClients },
    },
    handler as never,
  );
  certificates.onChange((renewed) => http2.setSecureContext(renewed));
  const sessions = sessionsOf(http2);
  const accept = (socket: Socket) => void http2.emit('connection', socket);
  return { http2, accept, closeIdle: () => closeAll(sessions) };
}

function plaintext(options: object, settings: object, handler: HttpHandler): HttpServers {
  const http1 = createHttp1(options, handler);
  const http2 = createHttp2({ settings }, handler as never);
  const sessions = sessionsOf(http2);
  return {
    http2,
    accept: (socket) => choose(socket, (isHttp2) => (isHttp2 ? http2 : http1).emit('connection', socket)),
    closeIdle: () => {
      http1.close();
      http1.closeIdleConnections();
      closeAll(sessions);
    },
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
