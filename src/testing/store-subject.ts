/** The subject of the store laws. */
import type { Store } from '../store/store.js';
import type { Law } from './law.js';

/** An engine with its own storage, which is empty at first. */
export interface StoreSubject {
  readonly store: Store;
  /** Closes the store and opens another one on the same data. Absent: the engine does not outlive the process. */
  readonly reopen?: () => Promise<Store>;
  /** Closes the open stores, and removes the storage. */
  readonly destroy: () => Promise<void>;
}

export type StoreLaw = Law<StoreSubject>;
