/**
 * One connection to one Redis server, which reconnects when it breaks. Commands are sent in the order of their calls,
 * those of one turn of the event loop in one write. A command is sent once: when the connection breaks, unanswered
 * commands fail at once, and the caller decides whether they may be sent again.
 */
import { Command, Redis, type RedisOptions } from 'ioredis';
import { ChordError } from '../../model/errors.js';
import { SCRIPTS } from './scripts/contexts.js';
import { LOG_SCRIPTS } from './scripts/logs.js';

export type Argument = string | number | Uint8Array;

/** The connection broke, or did not exist: the command may or may not have been run. */
export class Interrupted extends Error {}

/** Milliseconds. During a shorter interruption calls wait, without a report; after a longer one they fail at once. */
const GRACE = 1000;
const RECONNECT_MAX = 300;

export class Connection {
  readonly redis: Redis;
  /** The time of the last use, in milliseconds since 1970. */
  usedAt = Date.now();
  #state: 'connecting' | 'ready' | 'away' | 'closed' = 'connecting';
  #lastError: Error | undefined;
  #refused = false;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #grace: NodeJS.Timeout | undefined;
  #corked = false;

  /** `changed` is called whenever `ready` or `away` changes. */
  constructor(
    readonly name: string,
    options: RedisOptions,
    private readonly changed: (connection: Connection) => void,
  ) {
    this.redis = new Redis({ ...options, ...OPTIONS });
    this.redis.on('ready', () => this.#ready());
    this.redis.on('close', () => this.#lost());
    // Where no server could even be looked up, ioredis gives up; Chord tries again.
    this.redis.on('end', () => setTimeout(() => this.#connect(), RECONNECT_MAX).unref());
    this.redis.on('connect', () => {
      this.#refused = false;
    });
    this.redis.on('error', (error) => {
      this.#lastError = error;
      // For example a wrong password: ioredis may still call the connection ready, shortly before it ends.
      this.#refused ||= error.name === 'ReplyError';
    });
    this.#startGrace(options.commandTimeout ?? GRACE);
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** The connection is broken for longer than a moment. */
  get away(): boolean {
    return this.#state === 'away' || this.#state === 'closed';
  }

  /** Resolves when the connection is ready, in the order of the calls. Rejects with UNAVAILABLE after the grace time. */
  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    if (this.away) return Promise.reject(this.#awayError());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The raw reply, strings as Buffers. Rejects with the error of Redis, or with Interrupted. */
  async send(name: string, args: readonly Argument[]): Promise<unknown> {
    this.usedAt = Date.now();
    this.#cork();
    const command = new Command(name, args.map(asBuffer), { replyEncoding: null });
    try {
      return await this.redis.sendCommand(command);
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') throw error;
      // A server that does not answer in time has stopped, or is unreachable without a sign of it on the socket.
      this.reset();
      throw new Interrupted((error as Error).message, { cause: error });
    }
  }

  /** Closes the connection and connects again. */
  reset(): void {
    if (this.redis.status === 'ready') this.redis.disconnect(true);
    this.#lost();
  }

  close(): void {
    this.#state = 'closed';
    clearTimeout(this.#grace);
    this.#rejectWaiting();
    this.redis.disconnect();
  }

  #connect(): void {
    if (this.#state !== 'closed') this.redis.connect().catch(() => {}); // the event `error` reports it
  }

  #cork(): void {
    const { stream } = this.redis;
    if (this.#corked || !this.ready) return;
    this.#corked = true;
    stream.cork();
    setImmediate(() => {
      this.#corked = false;
      stream.uncork();
    });
  }

  #ready(): void {
    if (this.#state === 'closed' || this.#refused) return;
    // Sent first: a script that is unknown when it is called is sent again, and loses its place in the order.
    for (const { lua } of [...SCRIPTS, ...LOG_SCRIPTS]) this.redis.script('LOAD', lua).catch(() => {});
    this.#state = 'ready';
    clearTimeout(this.#grace);
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    this.changed(this);
  }

  #lost(): void {
    if (this.#state !== 'ready') return;
    this.#state = 'connecting';
    this.#startGrace(GRACE);
    this.changed(this);
  }

  #startGrace(grace: number): void {
    this.#grace = setTimeout(() => {
      this.#state = 'away';
      this.#rejectWaiting();
      this.changed(this);
    }, grace);
  }

  #rejectWaiting(): void {
    for (const { reject } of this.#waiting.splice(0)) reject(this.#awayError());
  }

  #awayError(): ChordError {
    const why = this.#lastError ? `: ${this.#lastError.message}` : '';
    return new ChordError('UNAVAILABLE', `Redis at ${this.name} is away${why}`, {
      retryAfter: GRACE,
      cause: this.#lastError,
    });
  }
}

/** ioredis treats any other array of bytes as a list of numbers. */
function asBuffer(argument: Argument): string | number | Buffer {
  if (!(argument instanceof Uint8Array) || Buffer.isBuffer(argument)) return argument;
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

const OPTIONS: RedisOptions = {
  enableOfflineQueue: false,
  // ioredis never sends a command again by itself: repeated writes carry `resent` (scripts/).
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  keepAlive: 10_000,
  connectTimeout: 2000,
  disconnectTimeout: 100,
  disableClientInfo: true,
  retryStrategy: (attempts) => Math.min(20 * 2 ** attempts, RECONNECT_MAX) * (0.5 + Math.random() / 2),
};
