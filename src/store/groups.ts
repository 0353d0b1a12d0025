/** What engines have in common that carry out several acts as one (`Store.commitAll`). */
import type { Head } from '../model.js';
import type { Act, GroupOutcome, Outcome } from './store.js';

/** Why a group may not happen; null where it may. `refusals` has what speaks against each act, or null. */
export function groupRefusal(acts: readonly Act[], refusals: readonly (Outcome | null)[]): GroupOutcome | null {
  const heads = new Map<string, Head | null>();
  for (const [i, refusal] of refusals.entries()) {
    if (refusal?.kind === 'duplicate') return refusal;
    if (refusal?.kind === 'conflict') heads.set((acts[i] as Act).id, refusal.head);
  }
  return heads.size > 0 ? { kind: 'conflict', heads } : null;
}
