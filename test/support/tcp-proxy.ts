/** A TCP proxy on a free port of the loopback that delays bytes, cuts connections in the middle of them, or passes nothing. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Disturbance {
  /** Milliseconds that the next chunk of bytes waits. Chunks of one direction stay in order. */
  delay(): number;
  /** How many of `length` bytes pass before both connections are cut; undefined: all, and nothing is cut. */
  cut(length: number): number | undefined;
}

const CALM: Disturbance = { delay: () => 0, cut: () => undefined };

export class TcpProxy {
  disturbance = CALM;
  /** Connections that were cut. */
  cuts = 0;
  /** Whether bytes wait in both directions, with connections that stay open: half open ones, for their ends. */
  #silent: { readonly over: Promise<void>; readonly end: () => void } | undefined;
  readonly #pairs = new Set<readonly [Socket, Socket]>();

  private constructor(
    private readonly server: Server,
    private readonly target: number,
  ) {
    server.on('connection', (client) => this.#join(client));
  }

  /** Passes connections on to a port of the loopback. */
  static async open(target: number): Promise<TcpProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, target);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** From now on nothing passes, and nothing is closed. */
  silence(): void {
    let end = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#silent ??= { over, end };
  }

  /** All that waits passes, undisturbed. */
  calm(): void {
    this.disturbance = CALM;
    this.#silent?.end();
    this.#silent = undefined;
  }

  cutAll(): void {
    for (const pair of this.#pairs) this.#cut(pair);
  }

  async close(): Promise<void> {
    this.calm();
    this.server.close();
    this.cutAll();
    await once(this.server, 'close');
  }

  #join(client: Socket): void {
    const pair = [client, connect(this.target, '127.0.0.1')] as const;
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.#drop(pair));
    }
    void this.#pass(pair[0], pair[1], pair);
    void this.#pass(pair[1], pair[0], pair);
  }

  async #pass(from: Socket, to: Socket, pair: readonly [Socket, Socket]): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        const delay = this.disturbance.delay();
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
        while (this.#silent) await this.#silent.over;
        const passed = this.disturbance.cut(chunk.length);
        if (passed === undefined) {
          if (!to.write(chunk)) await once(to, 'drain');
          continue;
        }
        to.end(chunk.subarray(0, passed), () => this.#cut(pair));
        return;
      }
      to.end();
    } catch {
      this.#drop(pair);
    }
  }

  #cut(pair: readonly [Socket, Socket]): void {
    if (this.#pairs.has(pair)) this.cuts++;
    this.#drop(pair);
  }

  #drop(pair: readonly [Socket, Socket]): void {
    this.#pairs.delete(pair);
    for (const socket of pair) socket.destroy();
  }
}
