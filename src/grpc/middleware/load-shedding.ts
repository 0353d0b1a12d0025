/**
 * Sheds load. With too many calls under way, or with an event loop that stays late, a call is refused before its
 * request is received. During overload each connection may have one call at a time: a client with sequential calls is
 * barely affected by a flood on another connection. New streams are refused, open streams go on, and calls of operators
 * pass: health, reflection, cleanup, administration.
 */
import type { StatusObject } from '@grpc/grpc-js';
import { ChordError } from '../../model/errors.js';
import { EventLoopDelay } from '../../observability/event-loop-delay.js';
import type { ErrorMapper, Method, Middleware } from '../call.js';
import { policyOf } from '../methods.js';

export interface LoadSheddingOptions {
  /** Calls under way at once, without streams. */
  readonly maxInFlight: number;
  /** How late the event loop may be repeatedly, in milliseconds; 0: no limit. */
  readonly maxEventLoopDelay: number;
}

/** A refused client retries after one of these times, in milliseconds: clients do not retry all at once. */
const RETRY_AFTER = [1000, 1200, 1400, 1600, 1800];
const REFUSALS = RETRY_AFTER.map(
  (retryAfter) => new ChordError('RESOURCE_EXHAUSTED', 'the server is overloaded', { retryAfter }),
);
/** Stands for an unknown connection. */
const ANY = {};

export class LoadShedding {
  readonly #lateness: EventLoopDelay;
  /** Prepared refusals: building one for each call would cost as much as some calls do. */
  readonly statuses: ReadonlyMap<unknown, StatusObject>;
  /** Number of calls under way, by connection. */
  readonly #underWay = new WeakMap<object, number>();
  #inFlight = 0;
  #shed = 0;

  constructor(
    private readonly options: LoadSheddingOptions,
    toStatus: ErrorMapper,
    /** Called when the event loop has been late for long, and when it no longer is. */
    late: (forLong: boolean) => void,
  ) {
    this.#lateness = new EventLoopDelay(options.maxEventLoopDelay, late);
    this.statuses = new Map(REFUSALS.map((refusal) => [refusal, toStatus(refusal)]));
  }

  /** Number of calls refused since the start. */
  get shed(): number {
    return this.#shed;
  }

  stop(): void {
    this.#lateness.stop();
  }

  /** The first middleware: refuses a call, or counts it. */
  readonly count: Middleware = {
    enter: ({ method, connection }) => {
      const refusal = this.#refuse(method, connection);
      if (refusal) throw refusal;
      if (!method.streams) this.#add(connection, 1);
    },
    leave: ({ method, connection }) => {
      if (!method.streams) this.#add(connection, -1);
    },
  };

  #refuse(method: Method, connection: object | undefined): ChordError | undefined {
    if (this.#inFlight < this.options.maxInFlight && !this.#lateness.behind) return undefined;
    const waits = method.streams || this.#of(connection) > 0;
    return waits && policyOf(method)?.sheddable ? REFUSALS[this.#shed++ % REFUSALS.length] : undefined;
  }

  #of(connection = ANY): number {
    return this.#underWay.get(connection) ?? 0;
  }

  #add(connection: object | undefined, more: 1 | -1): void {
    this.#inFlight += more;
    this.#underWay.set(connection ?? ANY, this.#of(connection) + more);
  }
}
