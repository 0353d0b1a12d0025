/** The words of the client, and their way to and from protobuf messages. */
import {
  Cause,
  ChangeAction,
  type Change as ProtoChange,
  type Context as ProtoContext,
  type Delta as ProtoDelta,
  type Mutation as ProtoMutation,
  type Position as ProtoPosition,
  type Provenance as ProtoProvenance,
} from './gen/chord/v1/model.js';
import type { Duration } from './gen/google/protobuf/duration.js';
import type { Timestamp } from './gen/google/protobuf/timestamp.js';
import type { Json, JsonObject } from './json.js';

/** A point in the history of one context. Keep it and hand it back; never compute one. */
export interface Position {
  readonly epoch: string;
  readonly version: number;
  readonly digest: string;
}

/** `T`: what the program knows of the document; it is not checked. */
export interface Context<T extends object = JsonObject> {
  readonly contextId: string;
  /** Undefined in answers that were not asked for values. */
  readonly value: T | undefined;
  readonly position: Position;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
  /** Undefined: lives until it is deleted. */
  readonly expiresAt: Date | undefined;
}

/** Object keys from the root, never empty. */
export type Path = readonly string[];

/** Old values (`old`, `removed`) are there only where they were asked for. */
export type Change =
  | { readonly action: 'added'; readonly path: Path; readonly value: Json }
  | { readonly action: 'modified'; readonly path: Path; readonly value: Json; readonly old?: Json }
  | { readonly action: 'removed'; readonly path: Path; readonly old?: Json }
  | {
      readonly action: 'spliced';
      readonly path: Path;
      readonly index: number;
      readonly removedCount: number;
      readonly inserted: readonly Json[];
      readonly removed?: readonly Json[];
    }
  /** A part of a string: `index` and `removedCount` count Unicode code points, not UTF-16 units. */
  | {
      readonly action: 'text_spliced';
      readonly path: Path;
      readonly index: number;
      readonly removedCount: number;
      readonly inserted: string;
      readonly removed?: string;
    }
  /** Of a kind that this client does not know, or incomplete: it applies to no document. */
  | { readonly action: 'unknown'; readonly path: Path };

/** What a replica holds of a context. */
export interface ReplicaDocument<T extends object = JsonObject> {
  readonly value: T;
  readonly position: Position;
}

/** The ordered changes that lead from one position to a later one. */
export interface Delta {
  readonly contextId: string;
  readonly from: Position;
  readonly to: Position;
  /** Empty where a `format` was asked for: `apply(delta, ...)` refuses that, `apply(delta.changes, ...)` cannot. */
  readonly changes: readonly Change[];
  readonly updatedAt: Date | undefined;
  /** Where its version comes from. Absent: nothing is known, or it is of several versions. */
  readonly provenance?: Provenance;
  /** The changes in the format that was asked for, in place of `changes`. */
  readonly formatted?: Json;
  /** Why that format cannot express the changes: read the document. */
  readonly inexpressible?: string;
}

/** Who wrote a version. */
export interface Provenance {
  /** `expired`: the time to live of members ended, and no client wrote it. */
  readonly cause?: 'expired';
  /** The identity that authentication gave. Empty: none. */
  readonly author: string;
  /** What the write gave. */
  readonly annotations: Readonly<Record<string, string>>;
}

/** One change to ask for, at a path. Missing objects on the way are created. */
export type Mutation = {
  readonly path: Path;
} /** `ttl`: milliseconds, 1 s to 365 days; the member removes itself then, unless it is set or touched again. */ & (
  | { readonly set: Json | object; readonly ttl?: number | undefined }
  | { readonly remove: true }
  | { readonly increment: number }
  | { readonly append: readonly (Json | object)[] }
  | {
      readonly splice: {
        readonly index: number;
        readonly removeCount: number;
        readonly insert: readonly (Json | object)[];
      };
    }
  /** Adds text at the end of a string; a missing member counts as the empty string. */
  | { readonly appendText: string }
  /** In a string, `index` and `removeCount` count Unicode code points, not UTF-16 units. */
  | { readonly spliceText: { readonly index: number; readonly removeCount: number; readonly insert: string } }
);

/** `EPOCH:VERSION:DIGEST`, as the command `chord` writes it. */
export function formatPosition({ epoch, version, digest }: Position): string {
  return epoch === '' && digest === '' ? String(version) : `${epoch}:${version}:${digest}`;
}

export function samePosition(a: Position, b: Position): boolean {
  return a.version === b.version && a.epoch === b.epoch && a.digest === b.digest;
}

export function fromPosition(position: ProtoPosition | undefined): Position {
  return { epoch: position?.epoch ?? '', version: position?.version ?? 0, digest: position?.digest ?? '' };
}

export function fromContext(context: ProtoContext): Context {
  return {
    contextId: context.contextId,
    value: context.value,
    position: fromPosition(context.position),
    createdAt: fromTimestamp(context.createdAt),
    updatedAt: fromTimestamp(context.updatedAt),
    expiresAt: fromTimestamp(context.expiresAt),
  };
}

export function fromDelta(delta: ProtoDelta): Delta {
  return {
    contextId: delta.contextId,
    from: fromPosition(delta.from),
    to: fromPosition(delta.to),
    changes: delta.changes.map(fromChange),
    updatedAt: fromTimestamp(delta.updatedAt),
    ...(delta.provenance && { provenance: fromProvenance(delta.provenance) }),
    ...(delta.formatted !== undefined && { formatted: delta.formatted }),
    ...(delta.inexpressible !== '' && { inexpressible: delta.inexpressible }),
  };
}

export function fromProvenance({ cause, author, annotations }: ProtoProvenance): Provenance {
  const expired = cause === Cause.EXPIRED ? { cause: 'expired' as const } : {};
  return { ...expired, author, annotations: Object.fromEntries(annotations) };
}

function fromChange({ path, action, value, oldValue, splice, textSplice }: ProtoChange): Change {
  const old = oldValue === undefined ? {} : { old: oldValue };
  if (action === ChangeAction.REMOVED) return { action: 'removed', path, ...old };
  if (action === ChangeAction.ADDED && value !== undefined) return { action: 'added', path, value };
  if (action === ChangeAction.MODIFIED && value !== undefined) return { action: 'modified', path, value, ...old };
  if (action === ChangeAction.SPLICED && splice) {
    const { index, removedCount, inserted, removed } = splice;
    return { action: 'spliced', path, index, removedCount, inserted, ...(removed.length > 0 && { removed }) };
  }
  if (action === ChangeAction.SPLICED && textSplice) {
    const { index, removedCount, inserted, removed } = textSplice;
    return { action: 'text_spliced', path, index, removedCount, inserted, ...(removed !== '' && { removed }) };
  }
  return { action: 'unknown', path };
}

export function toMutation(mutation: Mutation): ProtoMutation {
  const ttl = 'set' in mutation ? toDuration(mutation.ttl) : undefined;
  return { path: [...mutation.path], operation: operationOf(mutation), ttl };
}

function operationOf(mutation: Mutation): ProtoMutation['operation'] {
  if ('set' in mutation) return { $case: 'set', value: mutation.set as Json };
  if ('remove' in mutation) return { $case: 'remove', value: true };
  if ('increment' in mutation) return { $case: 'increment', value: mutation.increment };
  if ('append' in mutation) return { $case: 'append', value: { values: [...mutation.append] as Json[] } };
  if ('appendText' in mutation) return { $case: 'appendText', value: mutation.appendText };
  if ('spliceText' in mutation) return { $case: 'spliceText', value: mutation.spliceText };
  const { index, removeCount, insert } = mutation.splice;
  return { $case: 'splice', value: { index, removeCount, insert: [...insert] as Json[] } };
}

export function toPath(path: Path): { keys: string[] } {
  return { keys: [...path] };
}

export function toTimestamp(time: Date): Timestamp {
  const milliseconds = time.getTime();
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds, nanos: (milliseconds - seconds * 1000) * 1e6 };
}

export function toDuration(milliseconds: number | undefined): Duration | undefined {
  if (milliseconds === undefined) return undefined;
  const seconds = Math.trunc(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

/** Milliseconds. */
export function fromDuration(duration: Duration | undefined): number | undefined {
  return duration && duration.seconds * 1000 + duration.nanos / 1e6;
}

export function fromTimestamp(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp && new Date(timestamp.seconds * 1000 + timestamp.nanos / 1e6);
}
