/** Counts of calls. The hot path adds to plain numbers; metrics and statistics read them. */
import { Histogram } from '../model/histogram.js';
import type { HotKeys } from './hot-keys.js';

/** gRPC's names of the status codes, by number. */
export const CODES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
] as const;

export interface MethodName {
  /** `chord.v1.ContextService` */
  readonly service: string;
  /** `UpdateContext` */
  readonly name: string;
}

export class MethodCalls {
  inFlight = 0;
  /** Finished calls, by status code. */
  readonly byCode = new Float64Array(CODES.length);
  /** Durations of unary calls, 0.1 ms to 13 s. */
  readonly seconds = new Histogram(0.0001, 17);

  constructor(readonly method: MethodName) {}
}

export class Calls {
  readonly #methods = new Map<MethodName, MethodCalls>();
  /** Calls that were refused before their handler, by status code. */
  readonly refused = new Float64Array(CODES.length);
  /** Open statistics that count the contexts which calls name. */
  readonly heats = new Set<HotKeys>();

  /** Methods are told apart by identity. */
  of(method: MethodName): MethodCalls {
    let calls = this.#methods.get(method);
    if (!calls) {
      calls = new MethodCalls(method);
      this.#methods.set(method, calls);
    }
    return calls;
  }

  /** Only methods that were called. */
  all(): MethodCalls[] {
    return [...this.#methods.values()];
  }
}
