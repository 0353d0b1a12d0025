/** Shared by the engines that carry out several operations as one (`Store.commitBatch`). */
import type { Head } from '../model/model.js';
import type { BatchOperation, BatchOutcome, Outcome } from './store.js';

/** Why a batch must not happen; null where it may. `refusals` has the refusal of each operation, or null. */
export function batchRefusal(
  operations: readonly BatchOperation[],
  refusals: readonly (Outcome | null)[],
): BatchOutcome | null {
  const heads = new Map<string, Head | null>();
  for (const [i, refusal] of refusals.entries()) {
    if (refusal?.kind === 'duplicate') return refusal;
    if (refusal?.kind === 'conflict') heads.set((operations[i] as BatchOperation).id, refusal.head);
  }
  return heads.size > 0 ? { kind: 'conflict', heads } : null;
}
