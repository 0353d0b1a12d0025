/** A server as a child process, and what it costs by the operating system's account. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';

/** Of /proc/stat: 100 a second on every Linux that runs here. */
const TICK_US = 10_000;

export interface Process {
  readonly address: string;
  readonly pid: number;
  /** How it ended, as soon as it has: the signal, or the exit code. */
  readonly ended: Promise<NodeJS.Signals | number>;
  /** CPU time so far of it and its worker processes, user and system, in microseconds. No thread ends before its process. */
  cpu(): number;
  /** The same of each process: first of the server, then of its workers. */
  cpuOfEach(): number[];
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
  /** Hears each line of its output after that. */
  readonly onLine?: (line: string) => unknown;
  /** After the end, to remove what it left. */
  readonly clean?: () => void;
}

const alive = new Map<ChildProcess, Promise<unknown>>();

/** Ends what is still there of a benchmark that was cut off. */
export async function killAll(): Promise<void> {
  for (const child of alive.keys()) child.kill('SIGKILL');
  await Promise.all(alive.values());
}

/** Starts a server; resolves when it has printed that it is ready, rejects with what it printed when it ends before. */
export function launch({ command, args, ready, onLine, clean }: Launch): Promise<Process> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHORD_')));
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<NodeJS.Signals | number>((resolve) => {
    child.once('close', (code, signal) => {
      alive.delete(child);
      clean?.();
      resolve(signal ?? code ?? 0);
    });
  });
  alive.set(child, ended);
  return new Promise((resolve, reject) => {
    let printed = '';
    const read = (chunk: Buffer) => {
      if (printed === READY) return;
      printed += chunk;
      const address = ready.exec(printed)?.[1];
      if (!address) return;
      printed = READY;
      resolve(running(child, address, ended));
    };
    child.stdout.on('data', read);
    if (onLine) createInterface(child.stdout).on('line', onLine);
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

  static of(parts: readonly Latencies[]): Latencies {
    const joined = new Latencies();
    for (const part of parts) for (const ms of part.#all) joined.add(ms);
    return joined;
  }

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

/** Of all cores, which part was busy with something else since; it disturbs what was measured meanwhile. */
export function elsewhere(): () => number {
  const [begin, before] = [ticks(), performance.now()];
  return () => {
    const end = ticks();
    const seconds = (performance.now() - before) / 1000;
    const others = end.busy - begin.busy - (end.own - begin.own);
    return Math.max(0, (others * TICK_US) / 1e6 / (seconds * availableParallelism()));
  };
}

/** Ticks of all cores, and those of this process and of its children that have ended. */
function ticks(): { busy: number; own: number } {
  const [, ...fields] = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!.split(/\s+/);
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = fields.map(Number) as number[];
  const busy = user! + nice! + system! + interrupts! + softInterrupts! + stolen!;
  // Fields from the third on: the second one, the name, may hold anything.
  const stat = readFileSync('/proc/self/stat', 'utf8').replace(/^.*\) /s, '');
  const own = stat.split(' ').slice(11, 15).map(Number);
  return { busy, own: own.reduce((sum, part) => sum + part, 0) };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function childrenOf(pid: number): number[] {
  const all = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return all === '' ? [] : all.split(' ').map(Number);
}

function cpuOfProcess(pid: number): number {
  // Nanoseconds on a core; /proc/PID/stat would tell no better than ten milliseconds.
  const times = readdirSync(`/proc/${pid}/task`).map((id) =>
    Number(readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ', 1)),
  );
  return times.reduce((sum, time) => sum + time, 0) / 1000;
}

/** Resident memory in bytes, without pages of files. */
export function memoryOf(pid: number): number {
  const kilobytes = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

const READY = 'ready';

function running(child: ChildProcess, address: string, ended: Process['ended']): Process {
  const pid = child.pid!;
  return {
    address,
    pid,
    ended,
    cpu() {
      return this.cpuOfEach().reduce((sum, time) => sum + time, 0);
    },
    cpuOfEach() {
      return [pid, ...childrenOf(pid)].map(cpuOfProcess);
    },
    memory: () => memoryOf(pid),
    signal: (name) => void child.kill(name),
    async stop() {
      child.kill('SIGTERM');
      const hurry = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(hurry);
    },
  };
}
