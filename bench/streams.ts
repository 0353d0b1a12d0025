/**
 * Measures streams, which tools for calls cannot: how long a change takes until it is received, how much is delivered,
 * and when every client holds the final state. Listeners count what comes, whoever sends it; followers are watches of
 * Chord that know where they stand.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Position } from '../src/model/model.js';
import type { Connection, Stream } from './client.js';
import type { Sample } from './load.js';
import { cpuOf, Latencies, type Process } from './measure.js';
import { eventOf, WATCH, watchRequest } from './requests.js';

/** A connection of any kind that streams are opened on. */
export interface Caller {
  stream(path: string, onMessage: (bytes: Buffer) => void, body?: Uint8Array): Listening;
}

export interface Listening {
  readonly ended: Promise<void>;
  /** Of a stream in both directions. */
  write?(body: Uint8Array): void;
  cancel(): void;
}

export interface ListenerOptions {
  readonly path: string;
  readonly body?: (n: number) => Uint8Array;
  /** In place of `body`, for streams in both directions. */
  readonly first?: Uint8Array;
  /** Holds once for each stream, when it is open. */
  readonly opened: (bytes: Buffer) => boolean;
  /** Says which messages count. */
  readonly counts: (bytes: Buffer) => boolean;
}

export class Listeners {
  received = 0;
  bytes = 0;
  readonly #streams: Listening[] = [];
  #target = 0;
  #reached: (() => void) | undefined;
  #failed: (error: Error) => void = () => {};
  #failure: Error | undefined;
  #onReceipt: () => void = () => {};

  /** Resolves when all streams are open. */
  static async open(connections: readonly Caller[], count: number, options: ListenerOptions): Promise<Listeners> {
    const { path, body, first, opened, counts } = options;
    const listeners = new Listeners();
    await Promise.all(
      Array.from({ length: count }, (_, n) => {
        const connection = connections[n % connections.length]!;
        return new Promise<void>((resolve, reject) => {
          const onMessage = (bytes: Buffer) => {
            if (counts(bytes)) listeners.count(bytes);
            else if (opened(bytes)) resolve();
          };
          const stream = connection.stream(path, onMessage, body?.(n));
          if (first) stream.write!(first);
          const fail = (error: Error) => {
            reject(error);
            listeners.#fail(error);
          };
          stream.ended.then(() => fail(new Error(`a stream of ${path} has ended`)), fail);
          listeners.#streams.push(stream);
        });
      }),
    );
    return listeners;
  }

  /** Calls back at each message that counts, in place of whoever was called before. */
  onReceipt(listener: () => void): void {
    this.#onReceipt = listener;
  }

  /** Resolves when so many messages have come in all; rejects where a stream ends before. */
  reach(received: number): Promise<void> {
    if (this.received >= received) return Promise.resolve();
    if (this.#failure) return Promise.reject(this.#failure);
    this.#target = received;
    return new Promise((resolve, reject) => {
      this.#reached = resolve;
      this.#failed = reject;
    });
  }

  /** One message that counts, whoever received it. */
  count(bytes: Buffer): void {
    this.received++;
    this.bytes += bytes.length;
    this.#onReceipt();
    if (this.received === this.#target) this.#reached?.();
  }

  close(): void {
    for (const stream of this.#streams) stream.cancel();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#failed(error);
  }
}

export interface FanOut {
  readonly watchers: number;
  readonly seconds: number;
  /** Milliseconds between two events, at least. */
  readonly pace?: number;
  readonly send: (n: number) => Promise<unknown>;
}

/** At a steady pace both sides find the machine as warm, or as cold, as the other. */
export const PACE = 20;

/** Sends events, none before all listeners have the one before. Latency is from the send to each single receipt. */
export async function fanOut(
  server: Process,
  listeners: Listeners,
  { watchers, seconds, pace = 0, send }: FanOut,
): Promise<Sample> {
  const [latencies, answers, wholes] = [new Latencies(), new Latencies(), new Latencies()];
  const bytes = listeners.bytes;
  const begin = performance.now();
  let [events, sent] = [0, 0];
  listeners.onReceipt(() => latencies.add(performance.now() - sent));
  const { cpu } = await cpuOf(server, async () => {
    while (performance.now() - begin < seconds * 1000) {
      sent = performance.now();
      const all = listeners.reach(listeners.received + watchers);
      all.catch(() => {}); // it is waited for below
      await send(events++);
      answers.add(performance.now() - sent);
      await all;
      wholes.add(performance.now() - sent);
      if (pace > 0) await sleep(Math.max(0, pace - (performance.now() - sent)));
    }
  });
  const [answerMs, answerP99Ms] = answers.percentiles(0.5, 0.99) as [number, number];
  return {
    operations: events * watchers,
    seconds: (performance.now() - begin) / 1000,
    cpu,
    latencies,
    bytes: listeners.bytes - bytes,
    finalMs: wholes.percentiles(0.5)[0]!,
    answerMs,
    answerP99Ms,
  };
}

export interface Receipt {
  readonly id: string;
  readonly version: number;
  /** As of performance.now(). */
  readonly at: number;
}

export interface FollowOptions {
  readonly idOf: (n: number) => string;
  readonly known?: Position | undefined;
  /** Calls back when the n-th has caught up. */
  readonly caughtUp?: (n: number) => void;
}

/** Watches of Chord, each of one context, whose clients know which version they hold. */
export class Followers {
  /** What came, in order: forgotten with `forget`. */
  receipts: Receipt[] = [];
  bytes = 0;
  readonly #followers: { readonly id: string; readonly stream: Stream; version: number }[] = [];
  #wanted: ((id: string) => number) | undefined;
  #lacking = 0;
  #reached: () => void = () => {};

  /** Resolves when all have caught up. */
  static async open(connections: readonly Connection[], count: number, options: FollowOptions): Promise<Followers> {
    const followers = new Followers();
    const opened = Array.from({ length: count }, (_, n) => {
      return followers.#follow(connections[n % connections.length]!, n, options);
    });
    await Promise.all(opened);
    return followers;
  }

  /** Resolves when each holds at least that version of its context. */
  reach(versionOf: (id: string) => number): Promise<void> {
    this.#lacking = this.#followers.filter(({ id, version }) => version < versionOf(id)).length;
    if (this.#lacking === 0) return Promise.resolve();
    this.#wanted = versionOf;
    return new Promise((resolve) => {
      this.#reached = resolve;
    });
  }

  /** Milliseconds from the send of what made a version to each receipt of just that version. */
  latencies(sent: ReadonlyMap<string, number>): Latencies {
    const latencies = new Latencies();
    for (const { id, version, at } of this.receipts) {
      const begin = sent.get(versionKey(id, version));
      if (begin !== undefined) latencies.add(at - begin);
    }
    return latencies;
  }

  forget(): void {
    this.receipts = [];
    this.bytes = 0;
  }

  close(): void {
    for (const { stream } of this.#followers) stream.cancel();
  }

  #follow(connection: Connection, n: number, { idOf, known, caughtUp }: FollowOptions): Promise<void> {
    const id = idOf(n);
    return new Promise((resolve, reject) => {
      const onMessage = (bytes: Buffer) => {
        const event = eventOf(bytes);
        if (event.$case === 'delta') this.#receive(follower, event.value.to!.version, bytes);
        else if (event.$case === 'full') this.#receive(follower, event.value.context!.position!.version, bytes);
        else if (event.$case === 'caughtUp') {
          caughtUp?.(n);
          resolve();
        }
      };
      const stream = connection.stream(WATCH, onMessage, watchRequest(id, known));
      const follower = { id, stream, version: known?.version ?? 0 };
      this.#followers.push(follower);
      stream.ended.catch(reject);
    });
  }

  #receive(follower: { readonly id: string; version: number }, version: number, bytes: Buffer): void {
    const { id } = follower;
    this.bytes += bytes.length;
    this.receipts.push({ id, version, at: performance.now() });
    const wanted = this.#wanted?.(id) ?? 0;
    const arrives = follower.version < wanted && version >= wanted;
    follower.version = version;
    if (!arrives || --this.#lacking > 0) return;
    this.#wanted = undefined;
    this.#reached();
  }
}

export function versionKey(id: string, version: number): string {
  return `${id} ${version}`;
}
