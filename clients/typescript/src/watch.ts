/** A stream of events that connects again by itself, from where it stands. */
import { ChordError, unavailable } from './errors.js';
import type { WatchContextsResponse } from './gen/chord/v1/sync_service.js';
import { fromDuration, type Position, toDuration } from './model.js';
import type { Logger } from './options.js';
import { DOUBTFUL_FAILURES_MAX, type RetryPolicy, Waits } from './retry.js';
import { sync } from './services.js';
import { type Target, Tracker, type WatchEvent } from './tracker.js';
import type { Headers, Transport } from './transport.js';

/** The server's, in milliseconds. */
const HEARTBEAT_DEFAULT = 15_000;

/** Of `watch`. */
export interface WatchOptions {
  /** Where a copy stands already, by context id. */
  readonly known?: ReadonlyMap<string, Position>;
  /** Send old values with the changes. */
  readonly includeOldValues?: boolean;
  /** Of deltas: see `ReadOptions`. Not for a replica. */
  readonly format?: string;
  /** Milliseconds, 1 s to 1 h. Default 15 s. */
  readonly heartbeatInterval?: number;
  /** The connection broke; the watch tries again after `delay` milliseconds. */
  readonly onDisconnect?: (error: ChordError, delay: number) => void;
  /** Ends the watch, as `close` does. */
  readonly signal?: AbortSignal | undefined;
  /** Headers beside those of the client, of each connection. */
  readonly metadata?: Headers | undefined;
}

/**
 * `for await (const event of watch)`. Leaving the loop closes it. Events are read from the network as they are
 * taken: a slow reader gets merged deltas. A batch comes when it is complete, its events back to back, each but the
 * last with `more`. Throws ChordError where it cannot go on.
 */
export class Watch implements AsyncIterableIterator<WatchEvent, undefined, undefined> {
  readonly #closing = new AbortController();
  readonly #tracker: Tracker;
  readonly #events: AsyncGenerator<WatchEvent, undefined, undefined>;
  /** Ends the present stream alone. */
  #stream = new AbortController();
  #onEnd: () => void;

  constructor(
    private readonly transport: Transport,
    private readonly policy: RetryPolicy,
    targets: readonly Target[],
    private readonly options: WatchOptions,
    onEnd: () => void,
  ) {
    this.#tracker = new Tracker(targets, options.known);
    this.#events = this.#run();
    const close = () => this.#closing.abort();
    if (options.signal?.aborted) close();
    options.signal?.addEventListener('abort', close, { once: true });
    this.#closing.signal.addEventListener('abort', () => this.#stream.abort(), { once: true });
    this.#onEnd = () => {
      options.signal?.removeEventListener('abort', close);
      onEnd();
    };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next event; rejects with ChordError where the watch cannot go on. */
  next(): Promise<IteratorResult<WatchEvent, undefined>> {
    return this.#events.next();
  }

  /** Closes the watch, as leaving a loop over it does. */
  async return(): Promise<IteratorResult<WatchEvent, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Ends it, also for a `next` that waits. Resolves when the stream is gone. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#events.return(undefined).catch(() => {}); // its reader has seen the error
    this.#onEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** These events, the last that were delivered, do not fit the reader's copy: connects again for the documents. */
  resync(events: readonly WatchEvent[]): void {
    this.#tracker.refuse(events);
    this.#stream.abort();
  }

  async *#run(): AsyncGenerator<WatchEvent, undefined, undefined> {
    const { signal } = this.#closing;
    const waits = new Waits(this.policy);
    /** In a row, without a message between. */
    let doubts = 0;
    let refusals = 0;
    try {
      while (!signal.aborted) {
        let retryAfter = 0;
        let heard = false;
        let error = unavailable('the server ended the stream');
        try {
          for await (const message of this.#connect()) {
            waits.heard(performance.now());
            doubts = 0;
            if (message.event?.$case === 'closing') retryAfter = fromDuration(message.event.value.retryAfter) ?? 0;
            else heard = true;
            const events = this.#tracker.take(message);
            if (!events) throw misfit();
            yield* events;
            if (this.#stream.signal.aborted) throw misfit();
          }
        } catch (cause) {
          if (!(cause instanceof ChordError)) throw cause;
          error = cause;
        }
        if (signal.aborted) return;
        if (heard) refusals = 0;
        // The token has expired: there may be a new one.
        const expired = error.reason === 'UNAUTHENTICATED' && (heard || (this.transport.renews && refusals++ === 0));
        if (!(error.transient || expired) || (!error.certain && doubts++ >= DOUBTFUL_FAILURES_MAX)) throw error;
        const delay = Math.max(waits.next(performance.now()), retryAfter, error.retryAfter ?? 0);
        this.options.onDisconnect?.(error, delay);
        await this.transport.pause(delay, signal);
      }
    } finally {
      this.#onEnd();
    }
  }

  #connect(): AsyncGenerator<WatchContextsResponse, void, void> {
    this.#stream = new AbortController();
    const { includeOldValues = false, format = '', heartbeatInterval, metadata } = this.options;
    const request = {
      subscriptions: this.#tracker.connect(),
      includeOldValues,
      format,
      heartbeatInterval: toDuration(heartbeatInterval),
    };
    const heartbeat = heartbeatInterval ?? HEARTBEAT_DEFAULT;
    return this.transport.stream(sync.watchContexts, request, this.#stream.signal, heartbeat, metadata);
  }
}

function misfit(): ChordError {
  return unavailable('an event does not fit what came before');
}

/** The same options, with which the logger gets what ends a connection. */
export function logged(options: WatchOptions, logger: Logger | undefined): WatchOptions {
  if (!logger) return options;
  const onDisconnect = (error: ChordError, delay: number) => {
    logger.warn(`a watch lost its connection, and connects again in ${Math.ceil(delay)} ms`, error);
    options.onDisconnect?.(error, delay);
  };
  return { ...options, onDisconnect };
}
