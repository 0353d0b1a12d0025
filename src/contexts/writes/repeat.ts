/** The answer of a write that was committed before, to a request that repeats it. */
import { ChordError } from '../../model/errors.js';
import { samePosition } from '../../model/model.js';
import type { View } from '../events.js';
import type { DeltaPage, PageOptions } from '../pagination.js';
import type { RememberedAnswer } from './idempotency.js';
import type { WriteRequest, WriteResult } from './writes.js';

/** The reads that an answer needs. */
export interface Reads {
  get(id: string): Promise<View>;
  deltas(id: string, fromVersion: number, options: PageOptions): Promise<DeltaPage>;
}

/** The position of the first answer; the context and the delta, where they are still retained. */
export async function repeated(
  reads: Reads,
  id: string,
  { position, changed }: RememberedAnswer,
  { returning }: WriteRequest,
): Promise<WriteResult> {
  const view = returning?.context ? await reads.get(id).catch(unlessGone) : undefined;
  const page =
    returning?.delta && changed && position
      ? await reads.deltas(id, position.version - 1, { pageSize: 1 }).catch(unlessGone)
      : undefined;
  return {
    position,
    changed,
    view: view && position && samePosition(view.head.position, position) ? view : undefined,
    delta: page?.deltas.find(({ to }) => to.version === position?.version && to.epoch === position.epoch),
  };
}

/** What was deleted or trimmed since cannot be had. Any other failure is the caller's to know. */
function unlessGone(error: unknown): undefined {
  if (error instanceof ChordError && (error.reason === 'NOT_FOUND' || error.reason === 'FAILED_PRECONDITION')) return;
  throw error;
}
