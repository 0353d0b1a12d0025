/**
 * Bounds calls whose request has not arrived completely. Nearly all requests are complete in the event-loop turn in
 * which their call began, and cost only a place in a list. The other requests have a time limit; when they are too
 * many, or hold too much memory together, the oldest is refused: a client that sends what it announced has finished
 * long before.
 */
import { ChordError } from '../model/errors.js';

export interface Unfinished {
  /** Whether the call still waits for its request. */
  readonly waits: boolean;
  /** All of the request has arrived, but it is not decoded yet. */
  readonly complete?: boolean;
  /** Memory that the request holds so far, in bytes. */
  readonly held: number;
  /** The request is incomplete at the end of the turn, and will stay for a while. */
  settle(): void;
  fail(error: ChordError): void;
}

export interface UnfinishedOptions {
  /** Milliseconds in which a request must arrive; 0: no limit. */
  readonly requestTimeout: number;
  readonly maxCalls: number;
  readonly maxBytes: number;
}

const LOOK_INTERVAL = 1000;
const RETRY_AFTER = 1000;

export class UnfinishedCalls {
  /** Calls that began in this turn. */
  #fresh: Unfinished[] = [];
  /** In the order in which the calls began, each with its memory and its deadline. */
  readonly #slow = new Map<Unfinished, { held: number; until: number }>();
  #bytes = 0;
  #lookedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly options: UnfinishedOptions) {
    this.#timer = setInterval(() => this.#endLate(), LOOK_INTERVAL).unref();
  }

  get size(): number {
    return this.#slow.size;
  }

  /** Bytes that all incomplete requests hold. */
  get bytes(): number {
    return this.#bytes;
  }

  begin(call: Unfinished): void {
    if (this.#fresh.length === 0) setImmediate(this.#look);
    this.#fresh.push(call);
  }

  /** More bytes of the request arrived. */
  grow(call: Unfinished): void {
    const kept = this.#slow.get(call);
    if (!kept) return;
    this.#bytes += call.held - kept.held;
    kept.held = call.held;
    this.#makeRoom();
  }

  /** The request is complete, or the call is over. */
  end(call: Unfinished): void {
    const kept = this.#slow.get(call);
    if (!kept) return;
    this.#slow.delete(call);
    this.#bytes -= kept.held;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  readonly #look = (): void => {
    const fresh = this.#fresh;
    this.#fresh = [];
    const until = performance.now() + (this.options.requestTimeout || Infinity);
    for (const call of fresh) {
      if (!call.waits) continue;
      call.settle();
      this.#slow.set(call, { held: call.held, until });
      this.#bytes += call.held;
    }
    this.#makeRoom();
  };

  #makeRoom(): void {
    const { maxCalls, maxBytes } = this.options;
    for (const call of this.#slow.keys()) {
      if (this.#slow.size <= maxCalls && this.#bytes <= maxBytes) return;
      this.#end(
        call,
        new ChordError('RESOURCE_EXHAUSTED', 'too many bytes of incomplete requests', { retryAfter: RETRY_AFTER }),
      );
    }
  }

  #endLate(): void {
    const now = performance.now();
    const late = now - this.#lookedAt > 2 * LOOK_INTERVAL;
    this.#lookedAt = now;
    // The event loop was late: bytes that arrived meanwhile are read before any request is refused.
    if (late) return;
    for (const [call, { until }] of this.#slow) {
      // A large request that is complete waits for its turn to be decoded.
      if (call.complete) continue;
      if (until > now) return;
      const text = `the request has not come whole within ${this.options.requestTimeout} ms`;
      this.#end(call, new ChordError('DEADLINE_EXCEEDED', text));
    }
  }

  #end(call: Unfinished, error: ChordError): void {
    this.end(call);
    call.fail(error);
  }
}
