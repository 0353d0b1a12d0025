/** Plans of thinning that say of each version whether it goes, given when it was written; all is looked at, and due again at once. */
import type { ThinningPlan } from '../../src/contexts/thin.js';

export function planOf(merges: (at: number) => boolean): ThinningPlan {
  const due = () => 1;
  return { merges, readFrom: (at) => at, dueAgain: due, dueAgainFrom: due, dueFor: due };
}
