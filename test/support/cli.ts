/** Runs the command line as its users do: as processes, over sockets. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

/** As users run it: built. `npm test` builds first. */
export const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function spawnChord(
  args: readonly string[],
  env: Record<string, string> = {},
  main = MAIN,
): ChildProcessWithoutNullStreams {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('CHORD_'));
  return spawn(process.execPath, [main, ...args], { env: { ...Object.fromEntries(clean), ...env } });
}

/** Runs one command to its end. */
export async function chord(args: readonly string[], input = '', env: Record<string, string> = {}): Promise<Finished> {
  const child = spawnChord(args, env);
  child.stdin.on('error', () => {}); // it need not read what it does not want
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, stdout, stderr };
}

/** A command that goes on; its output is read line by line. */
export class Running {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private readonly closed: Promise<{ code: number | null; stderr: string }>;
  private stderr = '';

  /** @param main another build than that of this repository */
  constructor(args: readonly string[], main?: string, env: Record<string, string> = {}) {
    this.child = spawnChord(args, env, main);
    const kill = () => this.child.kill('SIGKILL');
    process.once('exit', kill); // nothing outlives a test file that is cut short
    this.child.once('close', () => process.off('exit', kill));
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.closed = once(this.child, 'close').then(([code]) => ({ code, stderr: this.stderr }));
  }

  /** The next line of stdout. @throws with what stderr said where the command ended instead */
  async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`ended: ${JSON.stringify(await this.closed)}`);
    return value;
  }

  async json(): Promise<Record<string, unknown>> {
    return JSON.parse(await this.line());
  }

  /** Resolves when stderr holds these words. */
  async said(words: string): Promise<void> {
    while (!this.stderr.includes(words)) {
      const [chunk] = await Promise.race([once(this.child.stderr, 'data'), this.closed.then(() => [])]);
      if (chunk === undefined) throw new Error(`ended without saying ${words}: ${this.stderr}`);
    }
  }

  /** For what the operating system tells of it. */
  get pid(): number {
    return this.child.pid!;
  }

  /** Closes our end of its stdout, as `head` does. */
  hangUp(): void {
    this.child.stdout.destroy();
  }

  /** Waits for the end, which a signal may bring about; nothing is sent to what has ended already. */
  end(signal?: NodeJS.Signals): Promise<{ code: number | null; stderr: string }> {
    if (signal) this.send(signal);
    return this.closed;
  }

  send(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export type Server = Running & { readonly address: string; readonly ready: string };

/**
 * A server that is ready; `address` is where it says it listens. It never refuses a call because its event loop is late: tests
 * share their machine with other tests.
 */
export async function startServer(...args: string[]): Promise<Server> {
  const { CHORD_TEST_WORKERS: workers = '0' } = process.env;
  const patient = ['--max-event-loop-delay', 'off'];
  return readyServer(new Running(['serve', '--log-level', 'error', '--workers', workers, ...patient, ...args]));
}

/** The same, of `chord serve` as it was started. */
export async function readyServer(server: Running): Promise<Server> {
  const ready = await server.line();
  const address = /^chord: serving on (\S+) /.exec(ready)?.[1];
  if (!address) throw new Error(`not the ready line: ${ready}`);
  return Object.assign(server, { address, ready });
}

/** Whether `script` of util-linux can give a command a terminal; a line in the log where it cannot. */
export function hasTerminals(t: ExecutionContext): boolean {
  const has = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0;
  if (!has) t.log('skipped: script is not installed, or gets no terminal here');
  t.pass();
  return has;
}
