/** Stands between client and server, and loses what is on its way back. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class LossyProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #holding = false;
  readonly #frozen = new WeakSet<Socket>();

  private constructor(target: string) {
    const [host, port] = target.split(':') as [string, string];
    this.#server = createServer((client) => {
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
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
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
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }
}
