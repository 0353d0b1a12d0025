/** What the client is on Node and in browsers alike, but for its entry. */
export { apply, DeltaMismatch } from './apply.js';
export type { BlameLine, BlamePage } from './blame.js';
export type { Check, Expected, Unchanged, UnmetCondition, UnmetConditions } from './conditions.js';
export type { Editor } from './edit.js';
export { ChordError, type FieldViolation, type Reason } from './errors.js';
export type { HealthStatus } from './health.js';
export type { Json, JsonObject, Sendable } from './json.js';
export {
  type Change,
  type Context,
  type Delta,
  formatPosition,
  type Mutation,
  type Path,
  type Position,
  type Provenance,
  type ReplicaDocument,
} from './model.js';
export type {
  CallOptions,
  DeleteOptions,
  Edit,
  EditOptions,
  Logger,
  MemberExpiry,
  SyncResult,
  TouchOptions,
  UpdateOptions,
  WaitContextOptions,
  WaitResult,
  WriteOptions,
  WriteResult,
} from './options.js';
export { parsePosition } from './position.js';
export type { Presence, PresenceOptions } from './presence.js';
export type { GetOptions, PageOptions, ReadOptions } from './reads.js';
export type { ReplicaChange, ReplicaEvents, ReplicaOptions, WaitOptions } from './replica.js';
export type { RetryPolicy } from './retry.js';
export type { DeltaEvent, FullEvent, Target, WatchEvent } from './tracker.js';
export type { Definition, Token } from './transport.js';
export type { Watch, WatchOptions } from './watch.js';
export type { BatchedWrite, BatchOptions, BatchResult } from './writes.js';
