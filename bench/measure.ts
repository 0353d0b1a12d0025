/** A server as a child process, and what it costs by the operating system's account. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Of /proc/PID/stat: 100 a second on every Linux that runs here. */
const TICK_US = 10_000;

export interface Process {
  readonly address: string;
  /** CPU time so far of all its threads, user and system, in microseconds. */
  cpu(): number;
  /** Resident memory in bytes, without pages of files: those that LMDB maps belong to the page cache. */
  memory(): number;
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  /** Its first group is the address. */
  readonly ready: RegExp;
  /** After the end, to remove what it left. */
  readonly clean?: () => void;
}

/** Starts a server; resolves when it has printed that it is ready, rejects with what it printed when it ends before. */
export function launch({ command, args, ready, clean }: Launch): Promise<Process> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHORD_')));
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return new Promise((resolve, reject) => {
    let printed = '';
    const read = (chunk: Buffer) => {
      if (printed === READY) return;
      printed += chunk;
      const address = ready.exec(printed)?.[1];
      if (!address) return;
      printed = READY;
      resolve(running(child, address, ended, clean));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    void ended.then(() => reject(new Error(`${command} ended before it was ready:\n${printed}`)));
  });
}

/** The difference of CPU time around `work`, in microseconds. */
export async function cpuOf<T>(server: Process, work: () => Promise<T>): Promise<{ cpu: number; result: T }> {
  const before = server.cpu();
  const result = await work();
  return { cpu: server.cpu() - before, result };
}

/** Latencies in milliseconds. Plain: each one is kept, and sorted in the end. */
export class Latencies {
  readonly #all: number[] = [];

  add(ms: number): void {
    this.#all.push(ms);
  }

  get count(): number {
    return this.#all.length;
  }

  /** By fraction: 0.99 is p99. */
  percentiles(...fractions: number[]): number[] {
    const sorted = Float64Array.from(this.#all).sort();
    return fractions.map((fraction) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const READY = 'ready';

function running(child: ChildProcess, address: string, ended: Promise<void>, clean?: () => void): Process {
  const { pid } = child;
  return {
    address,
    cpu() {
      // Fields from the third on: the second one, the name, may hold anything.
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return (Number(fields[11]) + Number(fields[12])) * TICK_US;
    },
    memory() {
      const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
      return Number(kilobytes) * 1024;
    },
    signal: (name) => void child.kill(name),
    async stop() {
      child.kill('SIGTERM');
      const hurry = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(hurry);
      clean?.();
    },
  };
}
