/**
 * One connection to one Redis server, which comes back by itself when it breaks. Commands leave in the order of
 * their calls, those of one turn of the event loop in one write. A command is sent once: when the connection
 * breaks, what was not answered fails at once, and the caller knows best whether it may be sent again.
 */
import { Command, Redis, type RedisOptions } from 'ioredis';
import { ChordError } from '../../model/errors.js';
import { SCRIPTS } from './scripts.js';

export type Argument = string | number | Uint8Array;

/** The connection broke, or was not there: the command may or may not have happened. */
export class Interrupted extends Error {}

/** A shorter interruption is not told to anyone: calls wait. After a longer one they fail at once. */
const GRACE = 1000;
const RECONNECT_MAX = 300;

export class Connection {
  readonly redis: Redis;
  /** When it was last asked for, in milliseconds since 1970. */
  usedAt = Date.now();
  #state: 'connecting' | 'ready' | 'away' | 'closed' = 'connecting';
  #lastError: Error | undefined;
  #refused = false;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #grace: NodeJS.Timeout | undefined;
  #corked = false;

  /** `changed` hears whenever `ready` or `away` change. */
  constructor(
    readonly name: string,
    options: RedisOptions,
    private readonly changed: (connection: Connection) => void,
  ) {
    this.redis = new Redis({ ...options, ...OPTIONS });
    this.redis.on('ready', () => this.#ready());
    this.redis.on('close', () => this.#lost());
    // Where no server could even be looked up, ioredis gives up; we do not.
    this.redis.on('end', () => setTimeout(() => this.#connect(), RECONNECT_MAX).unref());
    this.redis.on('connect', () => {
      this.#refused = false;
    });
    this.redis.on('error', (error) => {
      this.#lastError = error;
      // A wrong password, say: ioredis may call the connection ready nonetheless, shortly before it ends.
      this.#refused ||= error.name === 'ReplyError';
    });
    this.#startGrace(options.commandTimeout ?? GRACE);
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** For longer than a moment. */
  get away(): boolean {
    return this.#state === 'away' || this.#state === 'closed';
  }

  /** Resolves when it is ready, in the order of the calls. Rejects with UNAVAILABLE where that takes too long. */
  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    if (this.away) return Promise.reject(this.#awayError());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The raw reply, strings as Buffers. Rejects with Redis' error, or with Interrupted. */
  async send(name: string, args: readonly Argument[]): Promise<unknown> {
    this.usedAt = Date.now();
    this.#cork();
    const command = new Command(name, args.map(asBuffer), { replyEncoding: null });
    try {
      return await this.redis.sendCommand(command);
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') throw error;
      // A server that lets commands wait too long has stopped, or is out of reach without our having heard.
      this.reset();
      throw new Interrupted((error as Error).message, { cause: error });
    }
  }

  /** Breaks the connection off and connects again. */
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
    if (this.#state !== 'closed') this.redis.connect().catch(() => {}); // told by the event `error`
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
    // Ahead of everything: a script that is unknown when it is called is sent again, and loses its place in the line.
    for (const { lua } of SCRIPTS) this.redis.script('LOAD', lua).catch(() => {});
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

/** ioredis takes any other array of bytes for a list of numbers. */
function asBuffer(argument: Argument): string | number | Buffer {
  if (!(argument instanceof Uint8Array) || Buffer.isBuffer(argument)) return argument;
  return Buffer.from(argument.buffer, argument.byteOffset, argument.byteLength);
}

const OPTIONS: RedisOptions = {
  enableOfflineQueue: false,
  // Nothing is sent again without our knowledge: writes say so when they are (redis-scripts.ts).
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  keepAlive: 10_000,
  connectTimeout: 2000,
  disconnectTimeout: 100,
  disableClientInfo: true,
  retryStrategy: (attempts) => Math.min(20 * 2 ** attempts, RECONNECT_MAX) * (0.5 + Math.random() / 2),
};
