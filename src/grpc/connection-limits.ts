/**
 * Limits the number of connections. A connection on which no caller has authenticated, a stranger, is closed after a
 * time, and is closed first when there are too many connections: authenticated connections stay, and a new connection
 * gets a place. Strangers that watch the server's health may stay, and are closed last.
 *
 * HTTP/2 connections are pinged here and not by grpc-js: after a long turn of the event loop its timers would end each
 * connection whose answer has arrived but is not read yet, and with it the calls whose responses are about to be sent.
 */
import type { Http2Server, Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { networkOf } from '../observability/network-address.js';
import type { Middleware } from './call.js';

export interface ArrivalOptions {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  /** Milliseconds after which a stranger is closed; 0: never. */
  readonly identifyTimeout: number;
  /** Milliseconds between the answer to a ping and the next ping. */
  readonly keepaliveInterval: number;
  /** Milliseconds after which a connection without an answer is closed. */
  readonly keepaliveTimeout: number;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  session: Http2Session | undefined;
  /** When the connection opened, or last made a call that strangers may make, by `performance.now()`. */
  since: number;
  known: boolean;
  open: boolean;
  /** When the last ping was answered, or the session began, by `performance.now()`. */
  answeredAt: number;
  /** When the ping was sent that is not answered yet. */
  pingedAt: number | undefined;
}

const LOOK_INTERVAL = 1000;
/** Calls under way on a connection that is closing may be answered for this long, in milliseconds. */
const LEAVE_WITHIN = 1000;

export class Arrivals {
  /** The stranger that has been silent longest comes first. */
  readonly #strangers = new Set<Connection>();
  /** Strangers that watch the server's health. */
  readonly #watching = new Set<Connection>();
  /** Connections without an HTTP/2 session so far, by HOST:PORT. */
  readonly #coming = new Map<string, Connection>();
  readonly #ofSessions = new WeakMap<object, Connection>();
  readonly #byAddress = new Map<string, number>();
  /** Connections with an HTTP/2 session. */
  readonly #sessions = new Set<Connection>();
  #open = 0;
  #lookedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly options: ArrivalOptions) {
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL).unref();
  }

  /** Follows the connections of this server. */
  watch(server: Http2Server): void {
    server.prependListener('connection', (socket: Socket) => this.arrived(socket));
    server.on('session', (session) => this.begun(session, session.socket));
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Runs after authentication: its caller has an identity. */
  readonly know: Middleware = {
    enter: ({ connection: session }) => {
      const connection = session && this.#ofSessions.get(session);
      if (!connection || connection.known) return;
      connection.known = true;
      this.#strangers.delete(connection);
      this.#watching.delete(connection);
    },
  };

  /** Runs for calls that are open to strangers: such a call shows that the connection is in use. */
  readonly notice: Middleware = {
    enter: ({ connection: session }) => {
      const connection = session && this.#ofSessions.get(session);
      if (!connection || !this.#strangers.delete(connection)) return;
      connection.since = performance.now();
      this.#strangers.add(connection);
    },
  };

  /** @param yes whether a health watch is open on the connection */
  watches(session: object, yes: boolean): void {
    const connection = this.#ofSessions.get(session);
    if (!connection?.open || connection.known) return;
    connection.since = performance.now();
    const [from, to] = yes ? [this.#strangers, this.#watching] : [this.#watching, this.#strangers];
    from.delete(connection);
    to.add(connection);
  }

  arrived(socket: Socket): void {
    const address = networkOf(socket.remoteAddress ?? '');
    const now = performance.now();
    const connection: Connection = {
      ...{ socket, address, session: undefined, since: now, known: false, open: true },
      ...{ answeredAt: now, pingedAt: undefined },
    };
    const peer = peerOf(socket);
    socket.once('close', () => {
      if (this.#coming.get(peer) === connection) this.#coming.delete(peer);
      this.#sessions.delete(connection);
      this.#left(connection);
    });
    this.#coming.set(peer, connection);
    this.#strangers.add(connection);
    this.#open++;
    const fromThere = (this.#byAddress.get(address) ?? 0) + 1;
    this.#byAddress.set(address, fromThere);
    const { maxConnections, maxConnectionsPerAddress } = this.options;
    if (fromThere > maxConnectionsPerAddress) this.#turnAway(this.#dispensable(connection, address));
    else if (this.#open > maxConnections) this.#turnAway(this.#dispensable(connection));
  }

  /** Calls of this connection name the session: that of HTTP/2, or the socket itself with HTTP/1.1. */
  begun(session: Http2Session | Socket, socket: Socket): void {
    const peer = peerOf(socket);
    const connection = this.#coming.get(peer);
    if (!connection) return;
    this.#coming.delete(peer);
    if (session !== socket) {
      connection.session = session as Http2Session;
      connection.answeredAt = performance.now();
      this.#sessions.add(connection);
    }
    this.#ofSessions.set(session, connection);
  }

  #left(connection: Connection): void {
    if (!connection.open) return;
    connection.open = false;
    this.#strangers.delete(connection);
    this.#watching.delete(connection);
    this.#open--;
    const others = this.#byAddress.get(connection.address)! - 1;
    if (others > 0) this.#byAddress.set(connection.address, others);
    else this.#byAddress.delete(connection.address);
  }

  /**
   * The stranger to close in favour of the new connection; the new connection itself where there is no other stranger.
   */
  #dispensable(newest: Connection, address?: string): Connection {
    for (const strangers of [this.#strangers, this.#watching]) {
      for (const each of strangers) {
        if (each !== newest && (address === undefined || each.address === address)) return each;
      }
    }
    return newest;
  }

  #turnAway(connection: Connection): void {
    this.#left(connection);
    const { session, socket } = connection;
    if (session && !session.destroyed) session.destroy();
    // Deferred: Node is still setting the socket up.
    else process.nextTick(() => socket.destroy());
  }

  #look(): void {
    const now = performance.now();
    // The event loop was late: what arrived meanwhile is not read yet.
    const late = now - this.#lookedAt > 2 * LOOK_INTERVAL;
    this.#lookedAt = now;
    for (const connection of this.#sessions) this.#keepAlive(connection, now, late);
    this.#endSilent(now);
  }

  #keepAlive(connection: Connection, now: number, late: boolean): void {
    const { keepaliveInterval, keepaliveTimeout } = this.options;
    const { session, pingedAt, answeredAt } = connection;
    if (!session || session.destroyed) this.#sessions.delete(connection);
    else if (pingedAt === undefined) {
      if (now - answeredAt < keepaliveInterval) return;
      connection.pingedAt = now;
      if (!ping(session, () => this.#answered(connection))) session.destroy();
    } else if (late) connection.pingedAt = now;
    else if (now - pingedAt >= keepaliveTimeout) session.destroy();
  }

  #answered(connection: Connection): void {
    connection.pingedAt = undefined;
    connection.answeredAt = performance.now();
  }

  #endSilent(now: number): void {
    const { identifyTimeout } = this.options;
    const before = now - identifyTimeout;
    if (identifyTimeout === 0) return;
    for (const connection of this.#strangers) {
      if (connection.since > before) return;
      this.#sendAway(connection);
    }
  }

  /** Calls under way are still answered; GOAWAY makes the client send later calls on another connection. */
  #sendAway(connection: Connection): void {
    const { session } = connection;
    this.#strangers.delete(connection);
    session?.close();
    setTimeout(() => this.#turnAway(connection), session ? LEAVE_WITHIN : 0).unref();
  }
}

/** False: the ping cannot be sent. */
function ping(session: Http2Session, answered: () => void): boolean {
  try {
    return session.ping((error) => (error ? session.destroy() : answered()));
  } catch {
    return false;
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
