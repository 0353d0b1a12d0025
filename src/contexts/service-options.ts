/** What the use cases are made with. */
import type { Clock } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { CommitEvent } from './events.js';
import type { TraceEvaluation } from './lane/pending-write.js';

export interface ServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Receives every durable commit, in order for each context. */
  readonly publish: (event: CommitEvent) => void;
  /** Receives the failures of work that no caller waits for. */
  readonly onError: (error: unknown) => void;
  /** Memory for contexts in use, in bytes. */
  readonly cacheBytes: number;
  /** The heaviest document, as `weigh` counts. */
  readonly maxDocumentBytes: number;
  /** The most members that the values of one request may have, in all. */
  readonly maxRequestMembers: number;
  /** A client that lacks more deltas than this gets the document. */
  readonly deltaThreshold: number;
  /** Whether the history is thinned: a delta may be of any number of versions. */
  readonly thins?: (() => boolean) | undefined;
  /** What has expired stays, for readers and writers too, until `expire` removes it: it is exported before. */
  readonly keepExpired?: boolean | undefined;
  readonly traceEvaluation?: TraceEvaluation | undefined;
  /** Receives the time before which no member of some context expires; called often, also with the same time. */
  readonly onMembers?: ((due: number) => void) | undefined;
}
