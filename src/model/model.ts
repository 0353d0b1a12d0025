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
  /** One life of the context: 8 characters, new on creation and restore. */
  readonly epoch: string;
  /** From 1, one more for each write that changed something. */
  readonly version: number;
  /** Chained hash of the deltas so far: 8 characters. */
  readonly digest: string;
}

/** What is known of a context beside its document. Times are milliseconds since 1970. */
export interface Head {
  readonly position: Position;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Size of the document as `weigh` counts it, in bytes. */
  readonly weight: number;
  /** Absent: no time to live of its own. */
  readonly expiry?: Expiry;
  /** When it was last touched, or written to without a change. Absent: not since `updatedAt`. */
  readonly touchedAt?: number;
}

/** A time to live: `at` is when it runs out, `ttl` what a write or touch renews it to, both in milliseconds. */
export interface Expiry {
  readonly at: number;
  readonly ttl: number;
}

/** The changes of one version, as bytes: codec/changes.ts writes and reads them, to all others they are opaque. */
export interface Payload {
  /** The changes without old values, ready for the wire. */
  readonly changes: Uint8Array;
  /** The old values that belong to them. */
  readonly olds: Uint8Array;
}

/** When a context was last written to or touched. */
export function usedAt({ updatedAt, touchedAt = 0 }: Head): number {
  return Math.max(updatedAt, touchedAt);
}

/** Whether neither of two heads at one position knows of a touch that the other does not. */
export function sameUse(a: Head, b: Head): boolean {
  return a.expiry?.at === b.expiry?.at && usedAt(a) === usedAt(b);
}

/** Whole milliseconds since 1970. Injected, so that tests can move it. */
export type Clock = () => number;

export function samePosition(a: Position, b: Position): boolean {
  return a.version === b.version && a.digest === b.digest && a.epoch === b.epoch;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// Any key is data. Members are reached only through these three, so that `__proto__` and
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

/** With nothing in common with the original. */
export function copy<T extends Json>(value: T): T {
  if (Array.isArray(value)) return value.map(copy) as T;
  if (!isObject(value)) return value;
  const object: JsonObject = {};
  for (const key of Object.keys(value)) setMember(object, key, copy(value[key] as Json));
  return object as T;
}
