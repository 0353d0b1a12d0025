/** The entries of a lane's queue: writes, and lane locks. */
import { ChordError } from '../../model/errors.js';
import type { Outcome } from '../../store/store.js';
import type { Need } from './document.js';
import type { Effect, LaneState, TipView } from './state.js';

/** A use case: evaluates on the tip, or throws the refusal. */
export type Evaluation<T> = (tip: TipView) => Effect<T>;

/** Wraps the evaluation of a write, to trace it, when the write begins to wait. */
export type TraceEvaluation = <T>(evaluate: Evaluation<T>) => Evaluation<T>;

/** One use case on a lane. */
export class PendingWrite {
  attempts = 0;
  effect: Effect<unknown> | undefined = undefined;
  refusal: unknown = undefined;
  outcome: Outcome | 'nothing to store' | undefined = undefined;
  failure: unknown = undefined;

  constructor(
    readonly evaluate: Evaluation<unknown>,
    readonly resolve: (answer: never) => void,
    readonly reject: (error: unknown) => void,
    /** What it needs of the document. */
    readonly need?: Need | undefined,
  ) {}
}

/** A request of a batch for the whole lane. */
export interface LaneLock {
  readonly grant: (state: LaneState) => void;
  readonly reject: (error: unknown) => void;
}

/** How often a write is evaluated at most, where other servers commit first. */
export const ATTEMPTS_MAX = 100;

export function isSettled(task: PendingWrite): boolean {
  return task.outcome !== undefined || task.failure !== undefined;
}

export function isDurable({ outcome }: PendingWrite): boolean {
  return outcome === 'nothing to store' || (typeof outcome === 'object' && outcome.kind === 'committed');
}

export function tooBusy(id: string): ChordError {
  return new ChordError('UNAVAILABLE', `other servers changed the context ${ATTEMPTS_MAX} times meanwhile; try again`, {
    contextId: id,
    retryAfter: 100,
  });
}
