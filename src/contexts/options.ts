/** The dependencies and limits of the use cases. */
import type { Clock } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { CommitEvent } from './events.js';

export interface ServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Receives every durable commit, in order for each context. */
  readonly publish: (event: CommitEvent) => void;
  /** Receives the errors of work that no caller waits for. */
  readonly onError: (error: unknown) => void;
  /** Memory for contexts in use, in bytes. */
  readonly cacheBytes: number;
  /** The maximum weight of a document, as `weigh` counts, in bytes. */
  readonly maxDocumentBytes: number;
  /** The maximum number of members in all values of one request. */
  readonly maxRequestMembers: number;
  /** In versions. A client further behind gets the document. */
  readonly deltaThreshold: number;
  /** Expired contexts stay visible, to readers and writers too, until `expire` removes them: they are archived first. */
  readonly keepExpired?: boolean | undefined;
}
