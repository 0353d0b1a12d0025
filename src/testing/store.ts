/**
 * The store contract as laws: what store/store.ts promises, on any engine.
 *
 *     for (const { name, run } of storeLaws) test(name, () => run(async () => ({ store, reopen, destroy })));
 */
import type { Store } from '../store/store.js';
import { groups } from './batches.js';
import type { Law } from './law.js';
import { againstMemory } from './model.js';
import { reads } from './reads.js';
import { dues } from './retention-index.js';
import { writes } from './writes.js';

/** An engine over storage of its own, empty at first. */
export interface StoreSubject {
  readonly store: Store;
  /** Closes the store and opens another one on the same data. Absent: the engine does not outlive the process. */
  readonly reopen?: () => Promise<Store>;
  /** Closes what is open, and removes the storage. */
  readonly destroy: () => Promise<void>;
}

export type StoreLaw = Law<StoreSubject>;

export const storeLaws: readonly StoreLaw[] = [...writes, ...reads, ...groups, ...dues, againstMemory];
