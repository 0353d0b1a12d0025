/** A real server for a test, from the repository that this client lives in. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { type Client, type ClientOptions, connect } from '../../src/index.js';

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));

export interface Server {
  readonly address: string;
  /** `http://HOST:PORT`, where the settings have `--web-listen` */
  readonly webAddress: string;
  /** By signal; resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Again, where it was before. */
  start(): Promise<void>;
}

/** On LMDB, in a directory of its own. Ends with the test, or where `teardown` is called. */
export async function startServer(t: Pick<ExecutionContext, 'teardown'>, ...settings: string[]): Promise<Server> {
  const folder = await mkdtemp(join(tmpdir(), 'chordstate-'));
  let address = '127.0.0.1:0';
  let webAddress = '';
  let stop = async (_signal: NodeJS.Signals) => {};
  const start = async () => {
    const args = [
      'dist/main.js',
      'serve',
      '--listen',
      address,
      ...(settings.includes('--backend') ? [] : ['--data-dir', folder]),
    ];
    // After the settings: again where it was before.
    const web = webAddress === '' ? [] : ['--web-listen', new URL(webAddress).host];
    // It never refuses a call because its event loop is late: tests share their machine with other tests.
    const patient = ['--log-level', 'error', '--max-event-loop-delay', 'off'];
    const child = spawn(process.execPath, [...args, ...patient, ...settings, ...web], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    stop = async (signal) => {
      child.kill(signal);
      await closed;
    };
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    address = /serving on (\S+) /.exec(value)![1]!;
    webAddress = /over HTTP on ([^\s,]+)/.exec(value)?.[1] ?? '';
  };
  await start();
  t.teardown(async () => {
    await stop('SIGTERM');
    await rm(folder, { recursive: true });
  });
  return {
    get address() {
      return address;
    },
    get webAddress() {
      return webAddress;
    },
    start,
    stop: (signal = 'SIGTERM') => stop(signal),
  };
}

export function connected(t: ExecutionContext, server: Server, options?: ClientOptions): Client {
  const client = connect(server.address, options);
  t.teardown(() => client.close());
  return client;
}
