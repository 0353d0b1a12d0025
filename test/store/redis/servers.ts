/** Real Redis servers, alone or as a cluster, on free ports of the loopback with directories of their own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { openRedis, type RedisStoreOptions } from '../../../src/store/redis/store.js';
import { until } from '../../support/until.js';

/** Whether there is a Redis to test with. Where not, test files say so in one line, by a test that is skipped. */
export const REDIS_INSTALLED = installed();

function installed(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The store, which waits for long: a busy machine must not look like an outage. */
export function openPatiently(options: RedisStoreOptions): ReturnType<typeof openRedis> {
  return openRedis({ timeout: 20_000, ...options });
}

export class RedisServer {
  #process: ChildProcess | undefined;
  /** Speaks to the server directly. Made anew after each start. */
  admin!: Redis;

  private constructor(
    readonly port: number,
    readonly directory: string,
    readonly options: readonly string[],
    /** A sentinel's file. */
    readonly sentinel: string | undefined,
  ) {}

  /** `options` as on its command line: `['--appendonly', 'yes']`. */
  static async start(options: readonly string[] = [], sentinel?: string): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'chord-redis-'));
    for (let tries = 1; ; tries++) {
      const server = new RedisServer(await freePort(), directory, options, sentinel);
      try {
        await server.start();
        return server;
      } catch (error) {
        // Another test may have taken the port meanwhile.
        if (tries === 5) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const place = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory];
    const args = this.sentinel ? [this.sentinel, '--sentinel', ...place] : [...place, '--save', '', ...this.options];
    this.#process = spawn('redis-server', args, { stdio: 'ignore' });
    this.admin?.disconnect();
    this.admin = new Redis({ port: this.port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null });
    this.admin.on('error', () => {});
    const ended = once(this.#process, 'exit').then(([code]) => {
      throw new Error(`redis-server ended with ${code}: ${args.join(' ')}`);
    });
    ended.catch(() => {}); // most end later, when they are told to
    await Promise.race([this.admin.ping(), ended]).catch((error) => {
      this.admin.disconnect();
      throw error;
    });
  }

  /** Waits for the end. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.admin.disconnect();
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    if (signal !== 'SIGKILL') child.kill('SIGCONT');
    await exit;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  async destroy(): Promise<void> {
    await this.end();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Three masters, each with as many replicas as asked for. */
export class RedisCluster {
  private constructor(readonly nodes: readonly RedisServer[]) {}

  static async start(replicas = 0, options: readonly string[] = []): Promise<RedisCluster> {
    const count = 3 * (1 + replicas);
    const nodes = await Promise.all(
      Array.from({ length: count }, async () => {
        const bus = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
        return RedisServer.start([...bus, '--cluster-node-timeout', '1000', ...options]);
      }),
    );
    const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
    const how = ['--cluster-replicas', String(replicas), '--cluster-yes'];
    execFileSync('redis-cli', ['--cluster', 'create', ...addresses, ...how], { stdio: 'ignore' });
    await until(async () => {
      const infos = await Promise.all(nodes.map(({ admin }) => admin.cluster('INFO') as Promise<string>));
      return infos.every((info) => info.includes('cluster_state:ok'));
    });
    return new RedisCluster(nodes);
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  async masters(): Promise<RedisServer[]> {
    const roles = await Promise.all(this.nodes.map(({ admin }) => admin.role()));
    return this.nodes.filter((_, i) => roles[i]?.[0] === 'master');
  }

  async destroy(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.destroy()));
  }
}

/** Below the ports that the system gives to clients: one of those could take it while a server is down. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch {
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}
