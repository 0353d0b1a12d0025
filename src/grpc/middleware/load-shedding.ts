/**
 * Sheds load before the server suffers: with too many calls under way, or with an event loop that is late time after
 * time, a call is refused before its request is received. Until it is better each connection may have one call at a
 * time: whoever asks one thing after another hardly notices a flood on another connection. New streams wait. Streams
 * that are open go on, and whoever operates the server gets through: health, reflection, cleanup, administration.
 */
import type { StatusObject } from '@grpc/grpc-js';
import { ChordError } from '../../model/errors.js';
import { EventLoopDelay } from '../../observability/event-loop-delay.js';
import type { ErrorMapper, Method, Middleware } from '../call.js';
import { policyOf } from '../methods.js';

export interface LoadSheddingOptions {
  /** Calls under way at once, streams not among them. */
  readonly maxInFlight: number;
  /** How late the event loop may be time after time, in milliseconds; 0: as late as it likes. */
  readonly maxEventLoopDelay: number;
}

/** Who was refused comes back after one of these times, in milliseconds: not all at once. */
const RETRY_AFTER = [1000, 1200, 1400, 1600, 1800];
const REFUSALS = RETRY_AFTER.map(
  (retryAfter) => new ChordError('RESOURCE_EXHAUSTED', 'the server is overloaded', { retryAfter }),
);
/** In place of a connection that is not known. */
const ANY = {};

export class LoadShedding {
  readonly #lateness: EventLoopDelay;
  /** Of the refusals: making one for each call would cost as much as some calls do. */
  readonly statuses: ReadonlyMap<unknown, StatusObject>;
  /** Calls under way, by connection. */
  readonly #underWay = new WeakMap<object, number>();
  #inFlight = 0;
  #shed = 0;

  constructor(
    private readonly options: LoadSheddingOptions,
    toStatus: ErrorMapper,
    /** Hears when the event loop has been late for long, and when it is not any more. */
    late: (forLong: boolean) => void,
  ) {
    this.#lateness = new EventLoopDelay(options.maxEventLoopDelay, late);
    this.statuses = new Map(REFUSALS.map((refusal) => [refusal, toStatus(refusal)]));
  }

  /** Calls refused since the start. */
  get shed(): number {
    return this.#shed;
  }

  stop(): void {
    this.#lateness.stop();
  }

  /** The first middleware: refuses, or counts. */
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
