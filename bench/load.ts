/** Load on a server, and what it took: a closed loop of calls, and fan-out to many streams. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, type Stream } from './client.js';
import { cpuOf, Latencies, median, type Process } from './measure.js';

export interface Sample {
  readonly operations: number;
  readonly seconds: number;
  /** Of the server, in microseconds. */
  readonly cpu: number;
  readonly latencies: Latencies;
}

/** What one side of a comparison came to. */
export interface Side {
  readonly name: string;
  /** CPU time of the server in microseconds. */
  readonly cpuPerOperation: number;
  readonly operationsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export async function open(address: string, count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => Connection.open(address)));
}

export function closeAll(connections: readonly Connection[]): void {
  for (const connection of connections) connection.close();
}

/** Keeps `inFlight` calls open on each connection for so long. `body` gets the number of the call. */
export async function closedLoop(
  server: Process,
  connections: readonly Connection[],
  {
    path,
    body,
    inFlight,
    seconds,
  }: { path: string; body: (n: number) => Uint8Array; inFlight: number; seconds: number },
): Promise<Sample> {
  const latencies = new Latencies();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  let calls = 0;
  const worker = async (connection: Connection) => {
    for (let now = performance.now(); now < end; ) {
      await connection.unary(path, body(calls++));
      const later = performance.now();
      latencies.add(later - now);
      now = later;
    }
  };
  const { cpu } = await cpuOf(server, () =>
    Promise.all(connections.flatMap((connection) => Array.from({ length: inFlight }, () => worker(connection)))),
  );
  return { operations: calls, seconds: (performance.now() - begin) / 1000, cpu, latencies };
}

/** Many open streams, which count what they receive. */
export class Listeners {
  received = 0;
  bytes = 0;
  readonly #streams: Stream[] = [];
  #target = 0;
  #reached: (() => void) | undefined;

  /** `counts` says which messages count. Resolves when `opened` has held once for each stream. */
  static async open(
    connections: readonly Connection[],
    count: number,
    { path, body, first, opened, counts }: ListenerOptions,
  ): Promise<Listeners> {
    const listeners = new Listeners();
    await Promise.all(
      Array.from({ length: count }, (_, n) => {
        const connection = connections[n % connections.length]!;
        return new Promise<void>((resolve, reject) => {
          const onMessage = (bytes: Buffer) => {
            if (counts(bytes)) listeners.#count(bytes);
            else if (opened(bytes)) resolve();
          };
          const stream = connection.stream(path, onMessage, body?.(n));
          if (first) stream.write(first);
          stream.ended.catch(reject);
          listeners.#streams.push(stream);
        });
      }),
    );
    return listeners;
  }

  /** Resolves when so many messages have come in all. */
  reach(received: number): Promise<void> {
    if (this.received >= received) return Promise.resolve();
    this.#target = received;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }

  close(): void {
    for (const stream of this.#streams) stream.cancel();
  }

  #count(bytes: Buffer): void {
    this.received++;
    this.bytes += bytes.length;
    if (this.received === this.#target) this.#reached?.();
  }
}

export interface ListenerOptions {
  readonly path: string;
  readonly body?: (n: number) => Uint8Array;
  /** In place of `body`, for streams in both directions. */
  readonly first?: Uint8Array;
  readonly opened: (bytes: Buffer) => boolean;
  readonly counts: (bytes: Buffer) => boolean;
}

/** Between two events: both sides then find the machine as warm, or as cold, as the other. */
const PACE_MS = 20;

/**
 * Sends `updates` events at a steady pace, none before all listeners have the one before; latency is from the send to
 * the last receipt.
 */
export async function fanOut(
  server: Process,
  listeners: Listeners,
  watchers: number,
  updates: number,
  send: (n: number) => Promise<unknown>,
): Promise<Sample> {
  const latencies = new Latencies();
  const begin = performance.now();
  const { cpu } = await cpuOf(server, async () => {
    for (let n = 0; n < updates; n++) {
      const sent = performance.now();
      const all = listeners.reach(listeners.received + watchers);
      await send(n);
      await all;
      latencies.add(performance.now() - sent);
      await sleep(Math.max(0, PACE_MS - (performance.now() - sent)));
    }
  });
  return { operations: updates * watchers, seconds: (performance.now() - begin) / 1000, cpu, latencies };
}

/** So many operations until the code that runs is compiled; but less than `rounds`. */
const WARM_OPERATIONS = 20_000;

/**
 * Runs the sides in turn, `rounds` times after each has warmed up, and takes the median of each figure: what else the
 * machine does meanwhile falls on all sides alike.
 */
export async function inTurn<K extends string>(
  rounds: number,
  sides: Readonly<Record<K, () => Promise<Sample>>>,
): Promise<Record<K, Side>> {
  const runs = Object.entries<() => Promise<Sample>>(sides);
  for (const [, run] of runs) {
    let operations = 0;
    for (let round = 0; (round === 0 || round < rounds - 1) && operations < WARM_OPERATIONS; round++) {
      operations += (await run()).operations;
    }
  }
  const samples = new Map<string, Sample[]>(runs.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of runs) samples.get(name)!.push(await run());
  }
  const summary = [...samples].map(([name, all]) => [name, summarize(name, all)]);
  return Object.fromEntries(summary) as Record<K, Side>;
}

export function summarize(name: string, samples: readonly Sample[]): Side {
  const of = (figure: (sample: Sample) => number) => median(samples.map(figure));
  return {
    name,
    cpuPerOperation: of(({ cpu, operations }) => cpu / operations),
    operationsPerSecond: of(({ operations, seconds }) => operations / seconds),
    p50: of(({ latencies }) => latencies.percentiles(0.5)[0]!),
    p99: of(({ latencies }) => latencies.percentiles(0.99)[0]!),
  };
}
