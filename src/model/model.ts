/** The nouns that every part of Chord shares: JSON values, positions, heads, clocks. */

export type Json = null | boolean | number | string | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json };

/** The deepest nesting of a document; its root object is level 1. Protobuf runtimes stop at 100 messages, three a level. */
export const MAX_DEPTH = 32;

/** The longest id of a context, and the longest prefix of ids, in bytes of UTF-8. */
export const ID_BYTES_MAX = 512;

/** The largest message that a server takes, and that gRPC clients take by default. */
export const MESSAGE_BYTES_MAX = 4 * 2 ** 20;

/** A point in the history of one context. */
export interface Position {
  /** One life of the context: 8 characters, new at each creation and restore. */
  readonly epoch: string;
  /** Starts at 1; each write that changes the document adds 1. */
  readonly version: number;
  /** Chained hash of all deltas so far: 8 characters. */
  readonly digest: string;
}

/** The metadata of a context: all but its document. Times are milliseconds since 1970. */
export interface Head {
  readonly position: Position;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Size of the document as `weigh` counts it, in bytes. */
  readonly weight: number;
  /** Absent: the context has no time to live of its own. */
  readonly expiry?: Expiry;
  /** The last touch, or the last write that changed nothing. Absent: neither came after `updatedAt`. */
  readonly touchedAt?: number;
  /** Absent: no member of the document expires. */
  readonly members?: MembersMark;
}

/** What a head says of the members that expire. */
export interface MembersMark {
  /** Random and new wherever a member begins or ceases to expire, or has another time to live; a renewal keeps it. */
  readonly stamp: number;
  /** No member expires before this time. */
  readonly due: number;
}

/** What wrote a version, where it was no client. `expired`: the time to live of members ended. */
export type Cause = 'expired';

/** The most bytes that are stored of who wrote a version: what a record has room for (store/record-format.ts). */
export const PROVENANCE_BYTES_MAX = 2014;
/** The same for a record of several versions, which has a base beside it. */
export const MERGED_PROVENANCE_BYTES_MAX = 1900;

/** A time to live: `at` is when it ends, `ttl` is how far a write or a touch moves the end. Both in milliseconds. */
export interface Expiry {
  readonly at: number;
  readonly ttl: number;
}

/**
 * How payloads and snapshots are encoded, as stored frames and exports name it, so that a later encoding can be told apart.
 * 1: the bytes of `chord.v1.Delta.changes` with their old values apart (codec/changes.ts), and of `google.protobuf.Struct`
 * (codec/struct.ts).
 */
export const PAYLOAD_ENCODING = 1;

/** The changes of one version, as bytes: codec/changes.ts writes and reads them, to all others they are opaque. */
export interface Payload {
  /** The changes without old values, ready for the wire. */
  readonly changes: Uint8Array;
  /** The old values that belong to them. */
  readonly olds: Uint8Array;
}

/** The time of the last write or touch of a context. */
export function usedAt({ updatedAt, touchedAt = 0 }: Head): number {
  return Math.max(updatedAt, touchedAt);
}

/** Whether two heads at one position agree on expiries and last use: neither has a touch that the other lacks. */
export function sameUse(a: Head, b: Head): boolean {
  return a.expiry?.at === b.expiry?.at && usedAt(a) === usedAt(b) && a.members?.stamp === b.members?.stamp;
}

/** Whole milliseconds since 1970. Injected, so that tests can set the time. */
export type Clock = () => number;

export function samePosition(a: Position, b: Position): boolean {
  return a.version === b.version && a.digest === b.digest && a.epoch === b.epoch;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Any key is data. Members are reached only through the next three functions, so that `__proto__` and
// `constructor` mean what the document says and never what JavaScript inherits.

export function getMember(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

export function setMember(object: JsonObject, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    object[key] = value;
  }
}

export function hasMember(object: JsonObject, key: string): boolean {
  return Object.hasOwn(object, key);
}

/** A deep copy, which shares nothing with the original. */
export function copy<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (!isObject(value)) return value;
  const object: JsonObject = {};
  for (const key of Object.keys(value)) setMember(object, key, copy(value[key] as Json));
  return object as T;
}
