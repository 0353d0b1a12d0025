/** Counts of calls. The hot path adds to plain numbers; whoever wants to know reads them. */
import { Histogram } from '../model/histogram.js';
import type { HotKeys } from './hot-keys.js';

/** gRPC's names of status codes, by number. */
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
  /** Calls that are over, by status code. */
  readonly byCode = new Float64Array(CODES.length);
  /** How long they took; of unary calls only. 0.1 ms to 13 s. */
  readonly seconds = new Histogram(0.0001, 17);

  constructor(readonly method: MethodName) {}
}

export class Calls {
  readonly #methods = new Map<MethodName, MethodCalls>();
  /** Calls that never came to their handler, by status code. */
  readonly refused = new Float64Array(CODES.length);
  /** Whoever wants to hear of the contexts that calls name. */
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

  /** Of methods that were called. */
  all(): MethodCalls[] {
    return [...this.#methods.values()];
  }
}
