/** What calls take beside their subject, and what they answer. Durations in milliseconds. */
import type { Check, Expected } from './conditions.js';
import type { ReturnOptions } from './gen/chord/v1/model.js';
import type { Context, Delta, Mutation, Path, Position } from './model.js';
import type { RetryPolicy } from './retry.js';
import type { DeltaEvent, FullEvent } from './tracker.js';
import type { Headers, Token } from './transport.js';

/** Of every client, on Node and in browsers. */
export interface CommonOptions {
  /** Sent as `authorization: Bearer` with every call. A function is asked each time, so that tokens can be renewed. */
  readonly token?: Token;
  /** For one call with all its tries. Default 10 s. */
  readonly deadline?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** More wait for their turn. Default 100. */
  readonly callsInFlight?: number;
  /** Headers of each call and watch: the metadata of gRPC. */
  readonly metadata?: Headers;
  /** Gets what is seen nowhere else: connections that watches have lost, and failures that have no listener. */
  readonly logger?: Logger;
}

/** `console` is one. */
export interface Logger {
  warn(message: string, error: Error): void;
}

/** Of every call. */
export interface CallOptions {
  /** In place of the client's, in milliseconds. */
  readonly deadline?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Headers beside those of the client. */
  readonly metadata?: Headers | undefined;
}

/** Of `delete`, and of each write. */
export interface DeleteOptions extends CallOptions {
  /** Where the context must stand. Otherwise ABORTED, with `current` in the error. */
  readonly expected?: Expected | undefined;
  /** What the document must hold, all of it, before this write. Otherwise ABORTED, with `unmet` in the error. At most 100. */
  readonly checks?: readonly Check[] | undefined;
  /** Names this write: a repeat answers what the first one did. Default: a random one, for the tries of this call. */
  readonly requestId?: string | undefined;
  /** Kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a delete, in the audit log alone. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** No error where the context is missing. */
  readonly allowMissing?: boolean | undefined;
}

/** Of `touch`. */
export interface TouchOptions extends CallOptions {
  /** Of members that expire. Empty: the context itself. */
  readonly paths?: readonly Path[] | undefined;
}

/** Of `set` and `revert`. */
export interface WriteOptions extends Omit<DeleteOptions, 'allowMissing'> {
  /** Milliseconds to live from now; 0: until it is deleted; absent: as before. */
  readonly ttl?: number | undefined;
  /** What to answer beside the position. */
  readonly returning?: Partial<ReturnOptions> | undefined;
}

/** Of `update`. */
export interface UpdateOptions extends WriteOptions {
  /** Start from {} where the context is missing. */
  readonly allowMissing?: boolean | undefined;
}

/** Of `edit`: what each write of it has, and how it is made. */
export interface EditOptions extends CallOptions, Pick<WriteOptions, 'annotations' | 'ttl' | 'returning'> {
  /** Start from {} where the context is missing. */
  readonly allowMissing?: boolean | undefined;
  /** What the edit rests on beside the paths that it changes; 'document': on all of it. */
  readonly reads?: readonly Path[] | 'document' | undefined;
  /** Calls of the function. Default: `retry.attempts` of the client. */
  readonly attempts?: number | undefined;
}

/** Of `wait`. */
export interface WaitContextOptions extends CallOptions {
  /** Versions after this position count too, also where a later one does not meet the checks. */
  readonly known?: Position | undefined;
}

/** What `update` changes. */
export interface Edit {
  /** Deep-merged first: objects member by member, all else replaces. Members that are undefined are left out. */
  readonly changes?: object | undefined;
  /** Applied next, in order. */
  readonly mutations?: readonly Mutation[] | undefined;
}

/** What a write did. */
export interface WriteResult {
  readonly position: Position;
  /** False: the document was like this already. */
  readonly changed: boolean;
  readonly context: Context | undefined;
  readonly delta: Delta | undefined;
}

/** What a copy lacks: the document, a delta, or nothing. */
export type SyncResult = FullEvent | DeltaEvent | { readonly type: 'noChange'; readonly position: Position };

/** What a wait has waited for. */
export interface WaitResult {
  /** What a copy at `known` lacks of the version that met the checks; without `known`, the document. */
  readonly result: SyncResult;
  /** The first version after `known` that met the checks. */
  readonly heldAt: number;
}

/** A member that removes itself. */
export interface MemberExpiry {
  readonly path: Path;
  readonly expiresAt: Date;
}
