/** The entries of a lane's queue: writes, and lane locks. */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import type { Outcome } from '../../store/store.js';
import type { Pace } from '../long-work.js';
import type { Need } from './document.js';
import type { Effect, LaneState, TipView } from './state.js';

/** A use case: evaluates on the tip, or throws the refusal. */
export type Evaluation<T> = (tip: TipView) => Effect<T> | LongEvaluation<T>;

/** An evaluation that would hold the event loop for long, and has done nothing yet: `run` evaluates in steps. */
export class LongEvaluation<T> {
  /** @param run nothing else may change the state until the promise has settled */
  constructor(readonly run: (pace: Pace) => Promise<Effect<T>>) {}
}

/** What a lane does before any other use case: it removes the members whose time is over. */
export interface Upkeep {
  isDue(tip: Head): boolean;
  readonly evaluate: Evaluation<void>;
}

/** Wraps the evaluation of a write, to trace it, when the write begins to wait. */
export type TraceEvaluation = <T>(evaluate: Evaluation<T>) => Evaluation<T>;

/** One use case on a lane. */
export class PendingWrite {
  attempts = 0;
  effect: Effect<unknown> | undefined = undefined;
  refusal: unknown = undefined;
  /** `not stored`: a write before this one has failed while this one was evaluated. */
  outcome: Outcome | 'nothing to store' | 'not stored' | undefined = undefined;
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

/** Whether another server has committed first, or has its turn. */
export function isConflict({ outcome }: PendingWrite): boolean {
  return typeof outcome === 'object' && outcome.kind === 'conflict';
}

/** Answers the writes whose outcome is known; returns those that must be evaluated again. */
export function answerKnown(id: string, taken: readonly PendingWrite[]): PendingWrite[] {
  let failure: unknown;
  return taken.filter((task) => {
    const { outcome, effect } = task;
    failure ??= task.failure;
    if (typeof outcome === 'object' && outcome.kind === 'duplicate') task.resolve(outcome as never);
    // This write depends on one that failed or has no known outcome. Evaluated again, this write could happen twice.
    else if (isDurable(task) && (effect?.commit || effect?.removal)) task.resolve(effect.answer as never);
    else if (failure !== undefined && (effect?.commit || effect?.removal)) task.reject(task.failure ?? failure);
    else if (task.attempts >= ATTEMPTS_MAX) task.reject(tooBusy(id));
    else return true;
    return false;
  });
}

export function tooBusy(id: string): ChordError {
  return new ChordError('UNAVAILABLE', `other servers changed the context ${ATTEMPTS_MAX} times meanwhile; try again`, {
    contextId: id,
    retryAfter: 100,
  });
}
