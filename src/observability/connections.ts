/** Connections to a port of this process. grpc-js does not report them; Node's diagnostics channels do. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

const ACCEPTED = 'net.server.socket';

/** Called for connections, each with its peer as HOST:PORT. */
export interface ConnectionEvents {
  changed(peer: string, open: boolean): void;
  /** The TLS handshake failed; the reason is a code of OpenSSL or Node. */
  refused(peer: string, reason: string): void;
}

export class Connections {
  made = 0;
  open = 0;
  refused = 0;
  #port = 0;
  readonly #servers = new WeakSet<Server>();

  constructor(private readonly events: ConnectionEvents) {}

  /** Starts reporting connections to this port. */
  watch(port: number): void {
    this.#port = port;
    subscribe(ACCEPTED, this.#accepted);
  }

  close(): void {
    unsubscribe(ACCEPTED, this.#accepted);
  }

  readonly #accepted = (message: unknown): void => {
    const { socket } = message as { socket: Socket & { readonly server?: Server } };
    if (socket.localPort !== this.#port) return;
    const peer = peerOf(socket);
    this.made++;
    this.open++;
    this.events.changed(peer, true);
    socket.once('close', () => {
      this.open--;
      this.events.changed(peer, false);
    });
    if (!socket.server || this.#servers.has(socket.server)) return;
    this.#servers.add(socket.server);
    socket.server.on('tlsClientError', this.#failed);
  };

  readonly #failed = (error: NodeJS.ErrnoException, socket: TLSSocket & { readonly _parent?: Socket }): void => {
    // A client that closes the connection before it sends anything is a load balancer's probe, and is not reported.
    const reason = socket.authorizationError ?? (error.code === 'ECONNRESET' ? undefined : error.code);
    if (!reason) return;
    this.refused++;
    this.events.refused(peerOf(socket._parent ?? socket), String(reason));
  };
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
