/**
 * The store contract.
 *
 * A store keeps, for each context id, a *log*: one record for each version, in order, and now and then a *snapshot* of
 * the document. The state of a context is its newest snapshot (or the empty document before version 1) with the changes
 * of all later records applied. The meaning of changes and snapshots does not concern a store: it keeps bytes, and
 * returns them unchanged.
 *
 * Promises, which storeLaws (testing/store.ts) check on every engine:
 *
 * 1. A commit is atomic and conditional. It happens whole, exactly when the context's position equals
 *    `expected` (null: the context does not exist), or not at all. Two commits on the same expected position
 *    never both succeed.
 * 2. A commit that was answered `committed` is durable: no crash of this process, and for engines that say
 *    so none of the machine, loses it. A commit that was not answered happened wholly or not at all.
 * 3. Commits of one context that are called in order take effect in order, without waiting for one another:
 *    a writer may pipeline them, each expecting the position that the one before it makes. If one does not
 *    succeed, neither do those that depend on it.
 * 4. Outcomes that a writer must expect are answers: `committed`, `conflict`, `duplicate`. A stored request id
 *    makes every write that carries it a duplicate, before positions are compared; only the ids of committed
 *    writes are stored. A rejected promise means that the engine failed (ChordError UNAVAILABLE,
 *    RESOURCE_EXHAUSTED or DATA_LOSS): the commit may or may not have happened, other waiting commits
 *    may fail with it, and the caller must load again.
 * 5. History has no silent gaps: `deltas` answers a contiguous list, in which each record leads on from the one before, or
 *    says that the list is truncated.
 * 6. `trim` never drops a record that the newest snapshot does not cover, and `thin` replaces none.
 * 7. `remove` is a commit: conditional, durable, atomic. After it nothing of the context is left but its
 *    request ids. A context created later under the same id has no relation to it.
 * 8. `commitBatch`, where it exists, is a commit of several contexts at once: all of its operations happen, exactly when
 *    each context is at the position that its own operation expects, or none happens, in spite of any crash. No read, of
 *    this process or another one, finds only some of them. For each context, promise 3 holds among batches and commits.
 * 9. Beside the log, a store keeps the members of a document that expire, as the heads' `members` marks say: a commit happens
 *    only where the stamp of this mark is the expected one. Where a commit's head has no mark, all members go with it.
 *
 * What may be lost: messages of `feed`. Versions expose the gap.
 *
 * Reads answer the durable state, and nothing of unanswered commits. A conflict states the position of the context at
 * the time of the answer.
 *
 * Callers keep to this: ids are not empty, have no NUL and are at most 512 bytes of UTF-8, request ids likewise;
 * versions, times and limits are not negative, limits at least 1; bytes that were handed over, or that were read,
 * are not changed afterwards. No operation looks at a clock: callers put times into heads and requests, and pass
 * `now`. Servers that share a store take them from `cluster.clock`, where it has one.
 */
import type { Histogram } from '../model/histogram.js';
import type { Cause, Clock, Expiry, Head, Payload, Position } from '../model/model.js';

/** The record of one version. */
export interface LogRecord extends Payload {
  /** The position after this version. */
  readonly position: Position;
  /** The time of the write, in milliseconds since 1970. */
  readonly at: number;
  /** Absent: a client wrote it. */
  readonly cause?: Cause;
  /** Who wrote it, as codec/provenance.ts encodes it: opaque, at most PROVENANCE_BYTES_MAX. Absent: nothing is known. */
  readonly provenance?: Uint8Array;
  /** Absent: the record is of one version, and leads on from the version below. */
  readonly merged?: Merged;
}

/** What a record says that stands for several versions, of which only the last one is retained. */
export interface Merged {
  /** The record leads on from this position, which is of the same epoch, and at least two versions below. */
  readonly base: Position;
  /** A digest of the payload, chained to the base: the record's own digest follows from the versions that were merged. */
  readonly seal: string;
}

/** A member of a document that expires. */
export interface Member {
  /** Unique within the context, as long as the head has a mark. */
  readonly number: number;
  /** When it expires: whole milliseconds since 1970. */
  readonly at: number;
  /** Whole milliseconds. */
  readonly ttl: number;
  /** Its path. Opaque; well-formed Unicode without NUL, at most 64 KiB in UTF-8. */
  readonly path: string;
}

export interface MemberChanges {
  /**
   * New members, and stored ones with a new time. While the stamp stays the same, a time is never moved back: the later of
   * the two counts, as renewals through several servers may arrive in any order.
   */
  readonly set: readonly Member[];
  /** Members that no longer expire, or have expired. `at`: the time that the caller expects; a later one is a conflict. */
  readonly ended: readonly { readonly number: number; readonly at?: number }[];
}

export interface Snapshot {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** All data from which a context's document is rebuilt. */
export interface Stored {
  readonly head: Head;
  /** Absent: the records begin at version 1, with the empty document. */
  readonly snapshot?: Snapshot;
  /** Contiguous, from directly after the snapshot to the head. Empty where the snapshot is at the head. */
  readonly records: readonly LogRecord[];
  /** In the order of their numbers. Absent: none expires. */
  readonly members?: readonly Member[];
}

/** What `thin` does to a log. */
export interface Thinning {
  readonly id: string;
  /** In the order of their versions. Each takes the place of the records behind its base, up to its own version. */
  readonly merged: readonly MergedRecord[];
  /** The key in the index `age` from now on, until the log is trimmed or has a record of an earlier time. */
  readonly next: number;
  /** As the caller knows it. Where there are later versions, the key is not above its `updatedAt`. */
  readonly head: Head;
}

export type MergedRecord = LogRecord & { readonly merged: Merged };

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
  /** The answer to store. Opaque. */
  readonly result: Uint8Array;
  readonly at: number;
}

export interface Commit {
  readonly id: string;
  /** The expected position; null: the context must not exist, and the commit has a payload or a snapshot. */
  readonly expected: Position | null;
  /**
   * The head after the commit: `expected` plus one version with a payload, `expected` itself without. A context that
   * begins with a snapshot and without a payload begins at any version, with no history before it.
   */
  readonly head: Head;
  /** The payload of the new version. Absent: no new version; only a snapshot, the expiry or the request is stored. */
  readonly payload?: Payload;
  /** The document at `head`, where the log has outgrown the last snapshot. */
  readonly snapshot?: Uint8Array;
  readonly request?: Request;
  /** What wrote the new version. Absent: a client. */
  readonly cause?: Cause;
  /** Of the new version, as in its record. */
  readonly provenance?: Uint8Array;
  /** The expected stamp of the members that expire. Absent: none expires. */
  readonly stamp?: number;
  /** Changes of the members that expire; absent: none, unless the head has no mark. */
  readonly members?: MemberChanges;
}

export interface Removal {
  readonly id: string;
  /** The expected position; null: the context must not exist, and only the request is stored. */
  readonly expected: Position | null;
  readonly reason: 'deleted' | 'expired';
  /** The expiry that the caller expects: a different expiry is a conflict. */
  readonly expiry?: Expiry;
  /** The last use that the caller expects of a context without a time to live: a later use, or a time to live, is a conflict. */
  readonly usedAt?: number;
  readonly request?: Request;
}

/** This request id was committed before, with this result. */
export interface Duplicate {
  readonly kind: 'duplicate';
  readonly first: Request;
}

export type Outcome =
  | { readonly kind: 'committed' }
  /** The context is at another position; null: the context does not exist. */
  | { readonly kind: 'conflict'; readonly head: Head | null }
  | Duplicate;

/** Stores nothing: its batch happens only where the context is at this position; null: where it does not exist. */
export interface Check {
  readonly id: string;
  readonly expected: Position | null;
}

/** One of several operations that happen together or not at all. */
export type BatchOperation = Commit | Removal | Check;

export type BatchOutcome =
  | { readonly kind: 'committed' }
  /** Contexts at other positions, by id; null: the context does not exist. */
  | { readonly kind: 'conflict'; readonly heads: ReadonlyMap<string, Head | null> }
  /** Of the request id of one of the operations. */
  | Duplicate;

export type History =
  | { readonly kind: 'records'; readonly records: readonly LogRecord[] }
  /** Records after `after` are gone. `oldest`: the first retained version; head + 1 without records, 1 without context. */
  | { readonly kind: 'truncated'; readonly oldest: number };

/**
 * What cleanup looks for; in each index the smallest key is due first. What is due is found by these alone, never by
 * looking at all contexts (the memory store does: it is the specification). An engine may keep its entries lazily, as long
 * as an answer is right: see retention-index.ts.
 *
 * - `expiry`: when the context's own time to live ends
 * - `idle`: when a context without a time to live was last written or touched
 * - `age`: when the oldest retained record was written; or what `thin` has set
 * - `length`: the number of retained records, negated; only of contexts with more than one
 * - `members`: `due` of the head's mark
 */
export type Index = 'expiry' | 'idle' | 'age' | 'length' | 'members';

/** An entry of an index. */
export interface Due {
  readonly id: string;
  readonly key: number;
}

export interface ListPage {
  readonly heads: readonly { readonly id: string; readonly head: Head }[];
  /** The last id of this page, after which the next page starts; absent on the last page. */
  readonly next?: string;
}

/** A commit or removal by another server. A hint: it may be lost, repeated or late. */
export type FeedEvent =
  | { readonly kind: 'committed'; readonly id: string; readonly from: Position | null; readonly record: LogRecord }
  | {
      readonly kind: 'removed';
      readonly id: string;
      readonly reason: 'deleted' | 'expired';
      readonly position: Position;
    }
  /** The context may be at any position now. */
  | { readonly kind: 'moved'; readonly id: string }
  /** Contexts of one `commitBatch`. Sent before `head` or `load` answers a part of it: so no reader sees half of it. */
  | { readonly kind: 'batch'; readonly ids: readonly string[] }
  /** Messages may have been lost: everything that is watched must be checked against the store. */
  | { readonly kind: 'gap' };

/** Whether the store can serve now, for health checks. `readOnly`: reads work, commits are refused. */
export interface StoreHealth {
  readonly serving: boolean;
  readonly readOnly: boolean;
  /** Never again in this process: only a restart helps. */
  readonly failed?: true;
  readonly detail?: string;
}

/** All data of a store at one moment. */
export interface Backup {
  /** The layout of the records, which is specific to the engine. */
  readonly format: number;
  /** The number of records, by the name of their database. */
  readonly counts: ReadonlyMap<string, number>;
  /**
   * The records, in order. A caller that begins to read them must read all, or return the iterator. Rejected where no
   * part is read for long, or the store is closed meanwhile.
   */
  readonly parts: AsyncIterable<BackupPart>;
}

/** Some records of one database; keys and values have the same length. */
export interface BackupPart {
  readonly database: string;
  readonly keys: readonly Buffer[];
  readonly values: readonly Buffer[];
}

export interface Store {
  /** The state of a context; null where the context does not exist. */
  load(id: string): Promise<Stored | null>;
  /** The head alone, without reading the document. */
  head(id: string): Promise<Head | null>;
  commit(commit: Commit): Promise<Outcome>;
  remove(removal: Removal): Promise<Outcome>;
  /**
   * Carries out all operations as one. Each is on a different context, and at most one has a request. Rejects with
   * FAILED_PRECONDITION, and writes nothing, where `cluster.apart` separates the contexts. Absent: this store only writes
   * one context at a time.
   */
  commitBatch?(operations: readonly BatchOperation[]): Promise<BatchOutcome>;
  /** The result remembered under a request id (or else its `formerId`) for this context id, if it is still remembered. */
  recall(id: string, requestId: string, formerId?: string): Promise<Request | null>;
  /** The members of a context that expire, in the order of their numbers. */
  members(id: string): Promise<readonly Member[]>;
  /**
   * Records after version `after`, oldest first: at most `limit`, and at most `maxBytes` of changes and olds together,
   * but at least one. None where `after` is the head's version or above. Where `after` was merged away, the first record
   * begins before it.
   */
  deltas(id: string, after: number, limit: number, maxBytes?: number): Promise<History>;
  /**
   * Heads in the byte order of their ids (UTF-8): those that begin with `prefix` and come after `after`. Those that one batch
   * could write are as of one moment.
   */
  list(prefix: string, after: string | undefined, limit: number): Promise<ListPage>;
  /**
   * Contexts whose key in an index is at or below `upTo`, smallest key first, equal keys in the order of `list`; with
   * `after`, the last entry of the page before, the entries behind it. The cost depends on the result alone, not on the
   * other data.
   */
  due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]>;
  /** Drops records up to `version`, but none above the newest snapshot. Answers their number. Not atomic: oldest first. */
  trim(id: string, version: number): Promise<number>;
  /**
   * Replaces records by merged ones, all or none: none where the life of the context is another one, or the base or the
   * version of a merged record is not retained at that very position, or is not covered by the newest snapshot. Answers
   * whether it happened. The caller bounds the number of records in one call. Absent: this store does not thin.
   */
  thin?(thinning: Thinning): Promise<boolean>;
  /** Forgets requests whose `at` is before `before`, at most `limit` of them. Answers the number of forgotten requests. */
  forget(before: number, limit: number): Promise<number>;
  /** For a store that several servers share. Absent: this process alone writes to the store. */
  readonly cluster?: StoreCluster;
  /** A copy of all data that is durable now, while reads and writes go on. Absent: the engine does not support backups. */
  backup?(): Backup;
  health(): StoreHealth;
  /** Measurements of the engine since it was opened, always current. Absent: not measured. */
  readonly work?: StoreWork;
  /** The listener is called on each change of `health`. */
  onHealth(listener: (health: StoreHealth) => void): void;
  /** Flushes accepted writes and releases every handle. Any later call is rejected: UNAVAILABLE. */
  close(): Promise<void>;
}

/** The functions of a store beside its data that servers with a shared store need. */
export interface StoreCluster {
  /** Commits of other servers, for ids and prefixes that are watched here. */
  readonly feed: Feed;
  /** The one clock of all servers on the store. Absent: each has its own. */
  readonly clock?: Clock;
  /**
   * The heads of these contexts, as of one moment; null: the context does not exist. The answer also has the contexts
   * that were written together with any of them by batches that `feed` reports only now, before this resolves. All ids
   * must be of contexts that one batch can write.
   */
  heads(ids: readonly string[]): Promise<ReadonlyMap<string, Head | null>>;
  /** The ids whose contexts no batch can write together with the first one's. */
  apart(ids: readonly string[]): readonly string[];
  /** Absent: each server has its own. */
  readonly settings?: SharedSettings;
  /** Takes or renews a lease for `ttl` milliseconds. Only one server has a lease. Answers whether this server has it. */
  lease(name: string, ttl: number): Promise<boolean>;
  /** Absent: servers that write one context at the same time may conflict again and again. */
  readonly turns?: WriteTurns;
}

/**
 * Turns of servers that write one context at the same time. While a server has its turn, commits of other servers to
 * this context are answered `conflict`; batches and removals are not. A turn ends by itself: it only saves work.
 */
export interface WriteTurns {
  /** Resolves when this server has its turn, or has waited for two seconds. */
  take(id: string): Promise<void>;
  /** Ends a turn after the commits that were called before. */
  end(id: string): void;
}

/** Small texts that all servers of a store share, by name. */
export interface SharedSettings {
  /** Null: there is none. */
  get(name: string): Promise<string | null>;
  /** Replaces a text, or removes it (null), where it is still `before`. Answers whether it was. */
  replace(name: string, before: string | null, text: string | null): Promise<boolean>;
}

export interface StoreWork {
  /** Writes that were accepted and are not durable yet. */
  readonly waiting: number;
  /** The time until commits are durable: transactions with their sync, or round trips. */
  readonly commitSeconds: Histogram;
  /** Writes in one transaction. Absent: each transaction has one. */
  readonly groupSizes?: Histogram;
}

export interface Feed {
  /** All events of the watched ids and prefixes go to this listener. Called once, before any watch. */
  listen(listener: (event: FeedEvent) => void): void;
  /**
   * Resolves when the subscription is active: commits from then on are delivered, unless a message is lost. For an id
   * that is already watched, this only waits for that; one `unwatch` ends it.
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
