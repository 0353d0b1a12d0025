/**
 * The store contract.
 *
 * A store keeps, for each context id, a *log*: one record for each version, in order, and now and then a
 * *snapshot* of the document. The state of a context is its newest snapshot (or the empty document before
 * version 1) with the changes of all later records applied. What changes and snapshots mean is not a store's
 * business: it keeps bytes, and gives them back as they were.
 *
 * Promises, which storeLaws (testing/store.ts) check on every engine:
 *
 * 1. A commit is atomic and conditional. It happens whole, exactly when the context's position equals
 *    `expected` (null: there is no such context), or not at all. Two commits on the same expected position
 *    never both succeed.
 * 2. A commit that was answered `committed` is durable: no crash of this process, and for engines that say
 *    so none of the machine, loses it. One that was not answered happened wholly or not at all.
 * 3. Commits of one context that are called in order take effect in order, without waiting for one another:
 *    a writer may pipeline them, each expecting the position that the one before it makes. If one does not
 *    succeed, neither do those that build upon it.
 * 4. Outcomes that a writer must expect are answers: `committed`, `conflict`, `duplicate`. A request id that is
 *    remembered makes a duplicate of whatever carries it, before positions are compared; only what was
 *    committed is remembered. A rejected promise means that the engine failed (ChordError UNAVAILABLE,
 *    RESOURCE_EXHAUSTED or DATA_LOSS): the commit may or may not have happened, other commits that were waiting
 *    may fail with it, and the caller must load again.
 * 5. History has no silent holes: `deltas` answers a contiguous list or says that it is truncated.
 * 6. `trim` never takes a record that the newest snapshot does not cover.
 * 7. `remove` is a commit: conditional, durable, atomic. After it nothing of the context is left but the
 *    memory of request ids. A context created later under the same id has no relation to it.
 * 8. `commitBatch`, where there is one, is a commit of several contexts at once: all of its operations happen, exactly when
 *    each context stands where its own act expects it, or none does, whatever crashes. No read of this process or
 *    another one finds some of them. For each of its contexts, promise 3 holds among groups and single commits.
 *
 * What may be lost: messages of `feed`. Versions expose the gap.
 *
 * Reads answer what is durable, and nothing of commits that are not answered yet. A conflict tells where the
 * context stands when it is answered.
 *
 * Callers keep to this: ids are not empty, have no NUL and are at most 512 bytes of UTF-8, request ids likewise;
 * versions, times and limits are not negative, limits at least 1; bytes that were handed over, or that were read,
 * are not changed afterwards. No operation looks at a clock: callers put times into heads and requests, and pass
 * `now`. Servers that share a store take them from `cluster.clock`, where it has one.
 */
import type { Histogram } from '../model/histogram.js';
import type { Clock, Expiry, Head, Position } from '../model/model.js';

/** One version's record. */
export interface LogRecord extends Payload {
  /** Where the context stands after this version. */
  readonly position: Position;
  /** When it was written, in milliseconds since 1970. */
  readonly at: number;
}

/** What changed, as opaque bytes (codec/changes.ts makes them). */
export interface Payload {
  /** The changes without old values, ready for the wire. */
  readonly changes: Uint8Array;
  /** The old values that belong to them. */
  readonly olds: Uint8Array;
}

export interface Snapshot {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Everything needed to rebuild a context's document. */
export interface Stored {
  readonly head: Head;
  /** Absent: the records begin at version 1, with the empty document. */
  readonly snapshot?: Snapshot;
  /** Contiguous, from just after the snapshot to the head. Empty where the snapshot is the head. */
  readonly records: readonly LogRecord[];
}

/** What a request is remembered under. */
export interface RequestName {
  /** Unique within the context id. */
  readonly id: string;
  /** What earlier releases of Chord remembered it under: looked for too, where there may be data of theirs, and never written. */
  readonly formerId?: string;
}

/** A write that names itself, so that a repeat can be recognised. */
export interface Request extends RequestName {
  /** Hash of the request's content: the same id with another one is a client's mistake. */
  readonly fingerprint: string;
  /** The answer to remember. Opaque. */
  readonly result: Uint8Array;
  readonly at: number;
}

export interface Commit {
  readonly id: string;
  /** Where the context must stand; null: it must not exist, and the commit has a payload or a snapshot. */
  readonly expected: Position | null;
  /**
   * The head after the commit: `expected` plus one version with a payload, `expected` itself without. A context
   * that begins with a snapshot and without a payload begins at any version, with no history before it.
   */
  readonly head: Head;
  /** The new version's payload. Absent: no new version, only a snapshot, the expiry or the request is to be kept. */
  readonly payload?: Payload;
  /** The document at `head`, when the writer found that deltas outweigh it. */
  readonly snapshot?: Uint8Array;
  readonly request?: Request;
}

export interface Removal {
  readonly id: string;
  /** Where the context must stand; null: there must be none, and only the request is kept. */
  readonly expected: Position | null;
  readonly reason: 'deleted' | 'expired';
  /** The expiry that the caller knows: where the context has another one by now, that is a conflict. */
  readonly expiry?: Expiry;
  /** The last use that the caller knows: where the context was touched since, that is a conflict, too. */
  readonly usedAt?: number;
  readonly request?: Request;
}

export type Outcome =
  | { readonly kind: 'committed' }
  /** The context stands elsewhere; null: it does not exist. */
  | { readonly kind: 'conflict'; readonly head: Head | null }
  /** This request id was committed before, with this result. */
  | { readonly kind: 'duplicate'; readonly first: Request };

/** Stores nothing: the group that it is part of happens only where the context stands here; null: there is none. */
export interface Check {
  readonly id: string;
  readonly expected: Position | null;
}

/** One of several that happen together or not at all. */
export type BatchOperation = Commit | Removal | Check;

export type BatchOutcome =
  | { readonly kind: 'committed' }
  /** These contexts stand elsewhere, by their ids; null: it does not exist. */
  | { readonly kind: 'conflict'; readonly heads: ReadonlyMap<string, Head | null> }
  /** The request id of one of the operations was committed before, with this result. */
  | { readonly kind: 'duplicate'; readonly first: Request };

export type History =
  | { readonly kind: 'records'; readonly records: readonly LogRecord[] }
  /** Records after `after` are gone; `oldest` is the first version still there: head + 1 where none is, 1 where there is no context. */
  | { readonly kind: 'truncated'; readonly oldest: number };

/**
 * What cleanup looks for; in each index the smallest key is due first. What is due is found by these alone, never by
 * looking at all contexts. An engine may keep its entries lazily, as long as an answer is right: see due.ts.
 *
 * - `expiry`: when the context's own time to live runs out
 * - `idle`: when a context without one was last written to or touched
 * - `age`: when the oldest retained record was written
 * - `length`: how many records are retained, negated; only of contexts with more than one
 */
export type Index = 'expiry' | 'idle' | 'age' | 'length';

/** A context's place in an index. */
export interface Due {
  readonly id: string;
  readonly key: number;
}

export interface ListPage {
  readonly heads: readonly { readonly id: string; readonly head: Head }[];
  /** The last id of this page, to list on after it; absent on the last page. */
  readonly next?: string;
}

/** A commit or removal made through another node. A hint: it may be lost, repeated or late. */
export type FeedEvent =
  | { readonly kind: 'committed'; readonly id: string; readonly from: Position | null; readonly record: LogRecord }
  | {
      readonly kind: 'removed';
      readonly id: string;
      readonly reason: 'deleted' | 'expired';
      readonly position: Position;
    }
  /** It may stand anywhere now. */
  | { readonly kind: 'moved'; readonly id: string }
  /** These moved by one `commitBatch`. Told before `head` or `load` answers any of it, so that nobody shows half of it. */
  | { readonly kind: 'batch'; readonly ids: readonly string[] }
  /** Messages may have been lost: everything that is watched must be checked against the store. */
  | { readonly kind: 'gap' };

/** Whether the store can serve now, for health checks. `readOnly`: reads work, commits are refused. */
export interface StoreHealth {
  readonly serving: boolean;
  readonly readOnly: boolean;
  readonly detail?: string;
}

/** Everything that a store holds, as it stands at one moment. */
export interface Backup {
  /** The layout of the records, which only the engine knows. */
  readonly format: number;
  /** How many records there are, by the name of their database. */
  readonly counts: ReadonlyMap<string, number>;
  /**
   * The records, in order. Whoever begins to take them takes all, or returns the iterator; rejected where nobody takes
   * one for long, or the store is closed meanwhile.
   */
  readonly parts: AsyncIterable<BackupPart>;
}

/** Some records of one database, keys and values of the same length. */
export interface BackupPart {
  readonly database: string;
  readonly keys: readonly Buffer[];
  readonly values: readonly Buffer[];
}

export interface Store {
  /** The context's state; null where there is none. */
  load(id: string): Promise<Stored | null>;
  /** Its head alone, without reading the document. */
  head(id: string): Promise<Head | null>;
  commit(commit: Commit): Promise<Outcome>;
  remove(removal: Removal): Promise<Outcome>;
  /**
   * Carries out all operations as one. Each is of another context, and at most one has a request. Rejects with
   * FAILED_PRECONDITION, having done nothing, where `cluster.apart` says that they cannot. Absent: this store only ever writes
   * one context at a time.
   */
  commitBatch?(operations: readonly BatchOperation[]): Promise<BatchOutcome>;
  /** The result remembered under a request id (or else its `formerId`) for this context id, if it is still remembered. */
  recall(id: string, requestId: string, formerId?: string): Promise<Request | null>;
  /**
   * Records after version `after`, oldest first: at most `limit`, and no more than make `maxBytes` of changes and
   * olds together, but at least one. None where `after` is the head's version or above.
   */
  deltas(id: string, after: number, limit: number, maxBytes?: number): Promise<History>;
  /**
   * Heads in the byte order of their ids (UTF-8): those that begin with `prefix` and come after `after`. Those that one batch
   * could write are as of one moment.
   */
  list(prefix: string, after: string | undefined, limit: number): Promise<ListPage>;
  /**
   * Contexts whose key in an index is at or below `upTo`, smallest key first, those of one key in the order of
   * `list`; with `after`, the last one of the page before, those that come behind it. Costs what it finds, whatever
   * else is stored.
   */
  due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]>;
  /** Drops records at or below `version`, but none above the newest snapshot. Answers how many went. Not atomic: oldest first. */
  trim(id: string, version: number): Promise<number>;
  /** Forgets requests whose `at` is before `before`, at most `limit` of them. Answers how many went. */
  forget(before: number, limit: number): Promise<number>;
  /** What only a store that several servers share has. Absent: this process alone writes to the store. */
  readonly cluster?: StoreCluster;
  /** A copy of all that is durable now, while reads and writes go on. Absent: the engine has no such copies. */
  backup?(): Backup;
  health(): StoreHealth;
  /** What the engine has done since it was opened, always current. Absent: it does not tell. */
  readonly work?: StoreWork;
  /** Calls back on each change of `health`. */
  onHealth(listener: (health: StoreHealth) => void): void;
  /** Flushes what was accepted and lets go of every handle. Whatever is called after it is rejected: UNAVAILABLE. */
  close(): Promise<void>;
}

/** What servers on one store need of it beside its data. */
export interface StoreCluster {
  /** Commits of other servers, for ids and prefixes that are watched here. */
  readonly feed: Feed;
  /** The one clock of all servers on the store. Absent: each has its own. */
  readonly clock?: Clock;
  /**
   * Where these contexts stand, as of one moment; null: there is no such context. The answer also has the contexts that were
   * written together with any of them by batches that `feed` reports only now, before this resolves. All ids are of contexts
   * that one batch could write.
   */
  heads(ids: readonly string[]): Promise<ReadonlyMap<string, Head | null>>;
  /** Those of the ids whose contexts no batch can write together with the first one's. */
  apart(ids: readonly string[]): readonly string[];
  /** Takes or renews, for `ttl` milliseconds, what only one server may have at a time. Answers whether this one has it. */
  lease(name: string, ttl: number): Promise<boolean>;
}

export interface StoreWork {
  /** Writes that are handed over and not durable yet. */
  readonly waiting: number;
  /** How long commits took to be durable: transactions with their sync, or round trips. */
  readonly commitSeconds: Histogram;
  /** Writes in one transaction. Absent: each is one. */
  readonly groupSizes?: Histogram;
}

export interface Feed {
  /** All events of the ids and prefixes that are watched go to this listener. Called once, before any watch. */
  listen(listener: (event: FeedEvent) => void): void;
  /**
   * Resolves when the subscription is live: what is committed from then on is (barring loss) delivered.
   * Naming what is watched already only waits for that; one `unwatch` ends it.
   */
  watchId(id: string): Promise<void>;
  unwatchId(id: string): void;
  watchPrefix(prefix: string): Promise<void>;
  unwatchPrefix(prefix: string): void;
  /**
   * Resolves when everything has been told that was committed before this call. Rejects where that cannot be known.
   * Absent: it never can.
   */
  confirm?(): Promise<void>;
}
