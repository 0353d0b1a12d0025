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
  readonly #elsewhere = new Map<number, string>();

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

  /** A connection that another process serves. */
  opened(number: number, peer: string): void {
    this.made++;
    this.open++;
    this.#elsewhere.set(number, peer);
    this.events.changed(peer, true);
  }

  closed(number: number): void {
    const peer = this.#elsewhere.get(number);
    if (peer === undefined) return;
    this.#elsewhere.delete(number);
    this.open--;
    this.events.changed(peer, false);
  }

  refuse(peer: string, reason: string): void {
    this.refused++;
    this.events.refused(peer, reason);
  }

  /** Receives the event `tlsClientError` of a server. */
  readonly failed = (error: NodeJS.ErrnoException, socket: FailedSocket): void => {
    const reason = reasonOf(error, socket);
    if (reason !== undefined) this.refuse(peerOf(socket._parent ?? socket), reason);
  };
}

export type FailedSocket = TLSSocket & { readonly _parent?: Socket };

/** Why a handshake failed. Undefined: a client that closes before it sends anything is a load balancer's probe. */
export function reasonOf(error: NodeJS.ErrnoException, socket: FailedSocket): string | undefined {
  const reason = socket.authorizationError ?? (error.code === 'ECONNRESET' ? undefined : error.code);
  return reason ? String(reason) : undefined;
}

/** HOST:PORT */
export function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}
