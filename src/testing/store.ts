/**
 * The store contract as laws: the promises of store/store.ts, for any engine.
 *
 *     for (const { name, run } of storeLaws) test(name, () => run(async () => ({ store, reopen, destroy })));
 */
import { batches } from './batches.js';
import { memberLaws } from './members.js';
import { againstMemory } from './model.js';
import { reads } from './reads.js';
import { dues } from './retention-index.js';
import type { StoreLaw } from './store-subject.js';
import { thinning } from './thinning.js';
import { writes } from './writes.js';

export const storeLaws: readonly StoreLaw[] = [
  ...writes,
  ...reads,
  ...batches,
  ...dues,
  ...thinning,
  ...memberLaws,
  againstMemory,
];
