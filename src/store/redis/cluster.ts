/**
 * All the Redis servers of one store, and which of them has which slot. One server (or a master that sentinels name) has
 * all slots; in a cluster, each command goes to the master of its slot, follows redirections, and survives short
 * interruptions.
 *
 * A command that an interruption may have cut off is built and sent again with `resent` set. Commands of one slot that
 * wait for a connection are sent in the order of the calls.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisOptions } from 'ioredis';
import { ChordError } from '../../model/errors.js';
import { type Argument, Connection, Interrupted } from './connection.js';
import { SLOTS } from './keys.js';
import type { Script } from './scripts/contexts.js';
import type { Address, Target } from './url.js';

export interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
}

/** Name and arguments. */
export type PlainCall = readonly [string, ...Argument[]];
export type RedisCall = ScriptCall | PlainCall;

/** Errors of Redis that mean: the command was not run, but soon may be. */
const NOT_NOW = /^(TRYAGAIN|CLUSTERDOWN|LOADING|MASTERDOWN|READONLY|BUSY) /;
const RETRY_EVERY = 50;
const REFRESH_EVERY = 250;

export class Cluster {
  /** Called when connections come or go, or slots move. */
  readonly listeners: (() => void)[] = [];
  readonly #connections = new Map<string, Connection>();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #options: RedisOptions;
  readonly #slots: Connection[];
  #isCluster = false;
  #refreshing: Promise<void> | undefined;
  #refreshTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `timeout`: the maximum duration of a command, in milliseconds. */
  constructor(
    private readonly target: Target,
    private readonly timeout: number,
  ) {
    this.#options = { ...target.options, commandTimeout: timeout };
    const [first] = target.addresses as [Address];
    this.#slots = Array<Connection>(SLOTS).fill(this.#connection(first));
  }

  get connections(): readonly Connection[] {
    return [...new Set(this.#slots)];
  }

  get isCluster(): boolean {
    return this.#isCluster;
  }

  get connectionOptions(): RedisOptions {
    return this.#options;
  }

  linkOf(slot: number): Connection {
    return this.#slots[slot] as Connection;
  }

  /** Resolves with a connection to the first of the given servers that answers. */
  async connect(): Promise<Connection> {
    const connections = this.target.addresses.map((address) => this.#connection(address));
    try {
      return await Promise.any(connections.map((connection) => connection.whenReady().then(() => connection)));
    } catch (error) {
      throw (error as AggregateError).errors[0];
    }
  }

  /** Switches to slot look-ups. Rejects with FAILED_PRECONDITION where not all slots are served. */
  async becomeCluster(): Promise<void> {
    this.#isCluster = true;
    await this.refresh();
    await Promise.all(this.connections.map((connection) => connection.whenReady()));
  }

  /** Runs one command or script on the server of `slot`. Rejects with ChordError. */
  call(slot: number, make: (resent: boolean) => RedisCall): Promise<unknown> {
    const answer = this.#call(slot, make);
    this.#pending.add(answer);
    const done = () => this.#pending.delete(answer);
    answer.then(done, done);
    return answer;
  }

  /** Resolves when no command is in progress. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  async #call(slot: number, make: (resent: boolean) => RedisCall): Promise<unknown> {
    // A command that timed out is past this deadline; a command that was cut off early may be sent again.
    const deadline = Date.now() + this.timeout * 0.9;
    let resent = false;
    let whole = false;
    let asked: Connection | undefined;
    for (;;) {
      const connection: Connection = asked ?? this.linkOf(slot);
      if (!connection.ready) await connection.whenReady();
      try {
        if (asked) void connection.send('asking', []).catch(() => {});
        asked = undefined;
        return await send(connection, make(resent), whole);
      } catch (error) {
        const { message } = error as Error;
        if (this.#closed || Date.now() > deadline) throw toChordError(error);
        if (error instanceof Interrupted) resent = true;
        else if (message.startsWith('NOSCRIPT')) whole = true;
        else if (message.startsWith('MOVED ')) this.#moved(slot, message);
        else if (message.startsWith('ASK ')) asked = this.#linkNamed(message.split(' ')[2] as string, connection);
        else if (NOT_NOW.test(message)) await this.#notNow(connection, message);
        else throw toChordError(error);
      }
    }
  }

  /** Reads from the cluster which server has which slot. */
  refresh(): Promise<void> {
    if (!this.#isCluster || this.#closed) return Promise.resolve();
    this.#refreshing ??= this.#readSlots().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#refreshTimer);
    for (const connection of this.#connections.values()) connection.close();
  }

  async #readSlots(): Promise<void> {
    for (const connection of [...this.#connections.values()].filter(({ ready }) => ready)) {
      const ranges = (await connection.send('cluster', ['slots']).catch(() => null)) as SlotRange[] | null;
      if (!ranges || this.#closed) continue;
      for (const [from, to, [host, port]] of ranges) {
        const master = this.#linkNamed(`${host}:${port}`, connection);
        this.#slots.fill(master, from, to + 1);
      }
      this.#dropUnused();
      this.#tell();
      return;
    }
  }

  #moved(slot: number, message: string): void {
    this.#slots[slot] = this.#linkNamed(message.split(' ')[2] as string, this.linkOf(slot));
    void this.refresh();
  }

  async #notNow(connection: Connection, message: string): Promise<void> {
    // A master that became a replica: the sentinels name the new one, and so does the rest of the cluster.
    if (message.startsWith('READONLY') && !this.#isCluster) connection.reset();
    await delay(RETRY_EVERY);
    await this.refresh();
  }

  /** HOST:PORT as Redis writes it; a node without a name of its own leaves the host out. */
  #linkNamed(name: string, from: Connection): Connection {
    const colon = name.lastIndexOf(':');
    const host = name.slice(0, colon) || (from.redis.options.host as string);
    return this.#connection({ host, port: Number(name.slice(colon + 1)) });
  }

  #connection(address: Address): Connection {
    const name = `${address.host}:${address.port}`;
    let connection = this.#connections.get(name);
    if (!connection) {
      const where = this.target.kind === 'sentinel' ? {} : address;
      connection = new Connection(name, { ...this.#options, ...where }, () => this.#changed());
      this.#connections.set(name, connection);
    }
    return connection;
  }

  #dropUnused(): void {
    const used = new Set(this.#slots);
    for (const [name, connection] of this.#connections) {
      if (used.has(connection) || (connection.ready && Date.now() - connection.usedAt < 60_000)) continue;
      this.#connections.delete(name);
      connection.close();
    }
  }

  #changed(): void {
    this.#tell();
    if (this.#isCluster && this.connections.some(({ ready }) => !ready)) this.#refreshSoon();
  }

  /** While a master is missing, another server may take over its slots. */
  #refreshSoon(): void {
    if (this.#refreshTimer || this.#closed) return;
    this.#refreshTimer = setTimeout(async () => {
      await this.refresh();
      this.#refreshTimer = undefined;
      if (this.connections.some(({ ready }) => !ready)) this.#refreshSoon();
    }, REFRESH_EVERY);
  }

  #tell(): void {
    for (const listener of this.listeners) listener();
  }
}

/** First and last slot, then the master's host and port, then replicas. */
type SlotRange = readonly [number, number, readonly [Buffer, number], ...unknown[]];

function send(connection: Connection, call: RedisCall, whole: boolean): Promise<unknown> {
  if (!('script' in call)) return connection.send(call[0], call.slice(1));
  const { script, keys, args } = call;
  return connection.send(whole ? 'eval' : 'evalsha', [whole ? script.lua : script.sha, keys.length, ...keys, ...args]);
}

export function toChordError(error: unknown): ChordError {
  if (error instanceof ChordError) return error;
  const { message } = error as Error;
  if (/\bOOM\b/.test(message)) {
    return new ChordError('RESOURCE_EXHAUSTED', 'the memory of Redis is full', { cause: error });
  }
  if (message.startsWith('WRONGTYPE')) {
    return new ChordError('DATA_LOSS', 'a key in Redis has a type that Chord did not write', { cause: error });
  }
  return new ChordError('UNAVAILABLE', `Redis did not answer: ${message}`, { retryAfter: 1000, cause: error });
}
