/**
 * Calls whose request has not come whole. Nearly all are whole in the turn of the event loop in which they began, and
 * cost nothing here but a place in a list. The others have a time to come in; and where they are too many, or hold too
 * much memory together, the oldest must go: who sends what it announced is done long before.
 */
import { ChordError } from '../model/errors.js';

export interface Unfinished {
  /** Whether it still waits for its request. */
  readonly waits: boolean;
  /** Memory that its request takes so far, in bytes. */
  readonly held: number;
  /** It will stay for a while. */
  settle(): void;
  fail(error: ChordError): void;
}

export interface UnfinishedOptions {
  /** Milliseconds in which a request must come; 0: it may take as long as it likes. */
  readonly requestTimeout: number;
  readonly maxCalls: number;
  readonly maxBytes: number;
}

const LOOK_INTERVAL = 1000;
const RETRY_AFTER = 1000;

export class UnfinishedCalls {
  /** Begun in this turn. */
  #fresh: Unfinished[] = [];
  /** In the order in which they began, each with what it holds and its last moment. */
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

  /** Bytes that they hold. */
  get bytes(): number {
    return this.#bytes;
  }

  begin(call: Unfinished): void {
    if (this.#fresh.length === 0) setImmediate(this.#look);
    this.#fresh.push(call);
  }

  /** More of it has come. */
  grow(call: Unfinished): void {
    const kept = this.#slow.get(call);
    if (!kept) return;
    this.#bytes += call.held - kept.held;
    kept.held = call.held;
    this.#makeRoom();
  }

  /** It is whole, or over. */
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
    // It was this process that was slow: what has come meanwhile is taken first.
    if (late) return;
    for (const [call, { until }] of this.#slow) {
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
