/** A server that can go away and come back where it was: the same port, the same data. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Server as Process, startServer } from '../support/cli.js';
import { announceWeb, ORIGIN } from './web.js';

export interface Backend {
  readonly name: 'lmdb' | 'redis';
  /** Of Redis; of no meaning for LMDB. */
  readonly url: string;
}

/** Milliseconds: longer than the server's own grace. */
const STOP_MAX = 30_000;

export class Server {
  #process: Process | undefined;
  #address = '127.0.0.1:0';
  #web = '127.0.0.1:0';

  private constructor(
    private readonly args: readonly string[],
    private readonly folder: string,
  ) {}

  /** @param more arguments of `chord serve` */
  static async start(backend: Backend, more: readonly string[] = []): Promise<Server> {
    const folder = await mkdtemp(join(tmpdir(), 'chord-conformance-'));
    const args = backend.name === 'lmdb' ? ['--data-dir', folder] : ['--backend', 'redis', '--redis-url', backend.url];
    const server = new Server([...args, ...more], folder);
    await server.up();
    return server;
  }

  get address(): string {
    return this.#address;
  }

  async up(): Promise<void> {
    const web = ['--web-listen', this.#web, '--web-origins', ORIGIN, '--web-console', 'off'];
    this.#process = await startServer('--listen', this.#address, ...web, ...this.args);
    this.#address = this.#process.address;
    this.#web = /over HTTP on https?:\/\/([^\s,]+)/.exec(this.#process.ready)![1]!;
    announceWeb(this.#address, this.#web);
  }

  /** SIGTERM: the streams receive `closing`. SIGKILL: connections break. Throws where it did not stop when asked to. */
  async down(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = undefined;
    let hangs = false;
    const alarm = setTimeout(() => {
      hangs = true;
      void process.end('SIGKILL');
    }, STOP_MAX);
    await process.end(signal);
    clearTimeout(alarm);
    if (hangs) throw new Error(`the server did not stop within ${STOP_MAX} ms of ${signal}`);
  }

  async end(): Promise<void> {
    await this.down('SIGTERM');
    await rm(this.folder, { recursive: true });
  }
}
