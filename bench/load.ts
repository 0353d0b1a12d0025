/** Load on a server, and what it took: a closed loop of unary calls, and sides that are measured in turn. */
import { Connection, type Security } from './client.js';
import { deviceBytes } from './device.js';
import { cpuOf, Latencies, median, type Process } from './measure.js';
import type { Plan } from './plan.js';

/** What one round of a load took. */
export interface Sample {
  readonly operations: number;
  readonly seconds: number;
  /** Of the server, in microseconds. */
  readonly cpu: number;
  /** Of each operation. */
  readonly latencies: Latencies;
  /** Of messages received, in all. */
  readonly bytes?: number;
  /** Milliseconds from the last write until every client holds the final state. */
  readonly finalMs?: number;
  /** Milliseconds until the writer has its answer, as median: what lies beyond it is the way to the watchers. */
  readonly answerMs?: number;
  readonly answerP99Ms?: number;
  /** Written to the block device meanwhile, by all programs. */
  readonly deviceBytes?: number | undefined;
  /** Operations a second that the server could do if it had the machine for itself. */
  readonly capacity?: number;
}

/** One side of a comparison, in one round or as the median of all. */
export interface Round {
  /** CPU time of the server in microseconds. */
  readonly cpuPerOperation: number;
  readonly operationsPerSecond: number;
  /** Latencies in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly bytesPerOperation?: number;
  readonly finalMs?: number;
  readonly answerMs?: number;
  readonly answerP99Ms?: number;
  readonly deviceBytesPerOperation?: number;
  readonly capacity?: number;
}

export interface Side extends Round {
  readonly name: string;
  readonly rounds: readonly Round[];
}

export async function open(address: string, count: number, security?: Security): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => Connection.open(address, security)));
}

export function closeAll(connections: readonly { close(): void }[]): void {
  for (const connection of connections) connection.close();
}

export interface ClosedLoop {
  readonly path: string;
  /** Gets the number of the call. */
  readonly body: (n: number) => Uint8Array;
  /** Gets the answer of that call. */
  readonly answered?: (answer: Buffer, n: number) => void;
  readonly inFlight: number;
  readonly seconds: number;
}

/** Keeps `inFlight` calls open on each connection for so long. */
export function closedLoop(
  server: Process,
  connections: readonly Connection[],
  { path, body, answered, inFlight, seconds }: ClosedLoop,
): Promise<Sample> {
  const callers = connections.map((connection) => async (n: number) => {
    const answer = await connection.unary(path, body(n));
    answered?.(answer, n);
  });
  return callInLoop(server, callers, { inFlight, seconds });
}

/** The same with callers of any protocol: each gets the number of its call. */
export async function callInLoop(
  server: Process,
  callers: readonly ((n: number) => Promise<unknown>)[],
  { inFlight, seconds }: Pick<ClosedLoop, 'inFlight' | 'seconds'>,
): Promise<Sample> {
  const latencies = new Latencies();
  const written = deviceBytes();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let calls = 0;
  const worker = async (call: (n: number) => Promise<unknown>) => {
    for (let now = performance.now(); now < end; ) {
      await call(calls++);
      const later = performance.now();
      latencies.add(later - now);
      now = later;
    }
  };
  const { cpu } = await cpuOf(server, () =>
    Promise.all(callers.flatMap((call) => Array.from({ length: inFlight }, () => worker(call)))),
  );
  const took = { operations: calls, seconds: (performance.now() - begin) / 1000, cpu, latencies };
  return { ...took, deviceBytes: written === undefined ? undefined : deviceBytes()! - written };
}

export interface Alternation extends Pick<Plan, 'rounds' | 'progress'> {
  /** Each round starts a server of its own, and warms it up itself. */
  readonly fresh?: boolean;
}

/** So many operations until the code that runs is compiled; but less than `rounds`. */
const WARM_OPERATIONS = 20_000;

/**
 * Runs the sides in turn, `rounds` times after each has warmed up: what else the machine does meanwhile falls on all
 * sides alike. Every other round goes the other way round, so that nobody always has the same neighbour before it.
 */
export async function inTurn<K extends string>(
  { rounds, progress, fresh = false }: Alternation,
  sides: Readonly<Record<K, () => Promise<Sample>>>,
): Promise<Record<K, Side>> {
  const runs = Object.entries<() => Promise<Sample>>(sides);
  for (const [name, run] of fresh ? [] : runs) {
    progress(`warms up ${name}`);
    let operations = 0;
    for (let round = 0; (round === 0 || round < rounds - 1) && operations < WARM_OPERATIONS; round++) {
      operations += (await run()).operations;
    }
  }
  const samples = new Map<string, Sample[]>(runs.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of round % 2 === 0 ? runs : runs.toReversed()) {
      progress(`round ${round + 1} of ${rounds}, ${name}`);
      samples.get(name)!.push(await run());
    }
  }
  const summary = [...samples].map(([name, all]) => [name, side(name, all.map(summarize))]);
  return Object.fromEntries(summary) as Record<K, Side>;
}

/** The median of each figure. */
export function side(name: string, rounds: readonly Round[]): Side {
  const keys = Object.keys(rounds[0]!) as (keyof Round)[];
  const middle = keys.map((key) => [key, median(rounds.map((round) => round[key]!))]);
  return { name, ...(Object.fromEntries(middle) as unknown as Round), rounds };
}

export function summarize(sample: Sample): Round {
  const { operations, seconds, cpu, latencies, bytes, deviceBytes: written } = sample;
  const { finalMs, answerMs, answerP99Ms, capacity } = sample;
  const [p50, p99] = latencies.percentiles(0.5, 0.99) as [number, number];
  return {
    cpuPerOperation: cpu / operations,
    operationsPerSecond: operations / seconds,
    p50,
    p99,
    ...(bytes !== undefined && { bytesPerOperation: bytes / operations }),
    ...(written !== undefined && { deviceBytesPerOperation: written / operations }),
    ...(finalMs !== undefined && { finalMs }),
    ...(answerMs !== undefined && { answerMs }),
    ...(answerP99Ms !== undefined && { answerP99Ms }),
    ...(capacity !== undefined && { capacity }),
  };
}
