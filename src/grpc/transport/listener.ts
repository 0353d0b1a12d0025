/**
 * Listens for connections, with an accept queue of the size that is set: grpc-js would listen with Node's 511, and the
 * connections of a storm beyond that wait a second for their next attempt.
 */
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerCredentials } from '@grpc/grpc-js';
import { ChordError } from '../../model/errors.js';
import type { TlsContexts } from '../../tls/certificates.js';

/** An unfinished TLS handshake may hold a socket for this long, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;

export class PortListener {
  readonly #servers: Server[] = [];

  private constructor(
    private readonly accept: (socket: Socket) => void,
    private readonly pauseOnConnect: boolean,
  ) {}

  /**
   * Listens on all addresses of the host; the addresses that the system lacks are left out, unless it lacks all.
   * @param listen HOST:PORT; port 0 takes a free one
   * @param backlog connections that may wait to be accepted; the system may allow fewer
   * @param paused sockets are not read: they go to another process
   */
  static async open(
    listen: string,
    backlog: number,
    accept: (socket: Socket) => void,
    paused = false,
  ): Promise<PortListener> {
    const listener = new PortListener(accept, paused);
    const colon = listen.lastIndexOf(':');
    const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
    try {
      await listener.#listen(host, Number(listen.slice(colon + 1)), backlog);
    } catch (error) {
      void listener.close();
      throw new ChordError('UNAVAILABLE', `cannot listen on ${listen}: ${(error as Error).message}`, { cause: error });
    }
    return listener;
  }

  get port(): number {
    const address = this.#servers[0]?.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  /** Accepts no more connections. Resolves when those that are open have ended. */
  async close(): Promise<void> {
    const closing = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)));
    await Promise.all(closing);
  }

  /**
   * The same, but waits no longer than `within` milliseconds: a client that has stalled never confirms the end of its connection.
   * The timer keeps the process, which a socket that is not read does not.
   */
  async closeWithin(within: number): Promise<void> {
    const closed = new AbortController();
    const closing = this.close().then(() => closed.abort());
    await Promise.race([closing, sleep(within, undefined, { signal: closed.signal }).catch(() => {})]);
  }

  async #listen(host: string, port: number, backlog: number): Promise<void> {
    let failure: unknown;
    for (const { address } of await lookup(host, { all: true })) {
      const server = createServer({ pauseOnConnect: this.pauseOnConnect }, this.accept);
      try {
        server.listen({ host: address, port: this.port || port, backlog });
        await once(server, 'listening');
        this.#servers.push(server);
      } catch (error) {
        failure ??= error;
      }
    }
    if (this.#servers.length === 0) throw failure;
  }
}

/** TLS of the server: new connections get the current certificate, open connections keep theirs. */
export function serverCredentials(certificates: TlsContexts | undefined): ServerCredentials {
  return certificates ? new TlsCredentials(certificates) : ServerCredentials.createInsecure();
}

class TlsCredentials extends ServerCredentials {
  constructor(certificates: TlsContexts) {
    const { asksClients, context } = certificates;
    const handshakeTimeout = HANDSHAKE_TIMEOUT;
    super({ requestCert: asksClients, rejectUnauthorized: asksClients, handshakeTimeout }, context);
    certificates.onChange((context) => this.updateSecureContextOptions(context));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
