/** What the laws of stores are checked on. */
import type { Store } from '../store/store.js';
import type { Law } from './law.js';

/** An engine over storage of its own, empty at first. */
export interface StoreSubject {
  readonly store: Store;
  /** Closes the store and opens another one on the same data. Absent: the engine does not outlive the process. */
  readonly reopen?: () => Promise<Store>;
  /** Closes what is open, and removes the storage. */
  readonly destroy: () => Promise<void>;
}

export type StoreLaw = Law<StoreSubject>;
