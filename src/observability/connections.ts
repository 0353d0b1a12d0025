/** Counts and reports the connections of a server. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

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

  constructor(private readonly events: ConnectionEvents) {}

  accepted(socket: Socket): void {
    const peer = peerOf(socket);
    this.made++;
    this.open++;
    this.events.changed(peer, true);
    socket.once('close', () => {
      this.open--;
      this.events.changed(peer, false);
    });
  }

  /** Receives the event `tlsClientError` of a server. */
  readonly failed = (error: NodeJS.ErrnoException, socket: TLSSocket & { readonly _parent?: Socket }): void => {
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
