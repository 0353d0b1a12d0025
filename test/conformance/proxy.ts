/** Stands between client and server, and loses what is on its way back. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { announceWeb, webPortOf } from './web.js';

export class LossyProxy {
  readonly #servers: readonly [grpc: Server, web?: Server];
  readonly #sockets = new Set<Socket>();
  #holding = false;
  readonly #frozen = new WeakSet<Socket>();

  private constructor(target: string) {
    const web = webPortOf(target);
    this.#servers = web === undefined ? [this.#to(target)] : [this.#to(target), this.#to(web)];
  }

  #to(target: string): Server {
    const [host, port] = target.split(':') as [string, string];
    return createServer((client) => {
      const upstream = connect(Number(port), host);
      client.on('data', (bytes) => this.#frozen.has(client) || upstream.write(bytes));
      client.on('end', () => upstream.end());
      upstream.on('data', (bytes) => this.#holding || this.#frozen.has(upstream) || client.write(bytes));
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => {}); // 'close' follows
        socket.on('close', () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
  }

  /** @param target HOST:PORT */
  static async start(target: string): Promise<LossyProxy> {
    const proxy = new LossyProxy(target);
    for (const server of proxy.#servers) {
      server!.listen(0, '127.0.0.1');
      await once(server!, 'listening');
    }
    const [, web] = proxy.#servers;
    if (web) announceWeb(proxy.address, addressOf(web));
    return proxy;
  }

  get address(): string {
    return addressOf(this.#servers[0]);
  }

  /** From now on nothing that the server says arrives. */
  hold(): void {
    this.#holding = true;
  }

  /** Nothing goes through the connections that there are, in either direction, and none of them ends; new ones work. */
  freeze(): void {
    for (const socket of this.#sockets) this.#frozen.add(socket);
  }

  /** Breaks all connections; new ones work. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#holding = false;
  }

  async end(): Promise<void> {
    const closed = this.#servers.map((server) => once(server!, 'close'));
    for (const server of this.#servers) server!.close();
    this.cut();
    await Promise.all(closed);
  }
}

function addressOf(server: Server): string {
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
