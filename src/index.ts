/** The library: `import { startChord } from 'chord'`. */
export { type Chord, type ChordOptions, type Engine, openChord, startChord } from './app.js';
export type { Rules } from './cleanup/policy.js';
export type { Counts, Item, Swept } from './cleanup/sweep.js';
export type {
  CleanupOptions,
  CleanupResult,
  CleanupStatus,
  CleanupTotals,
  RunOptions,
  Sweeper,
} from './cleanup/sweeper.js';
export { decodeChanges } from './codec/changes.js';
export { decodeStruct, EncodedStruct } from './codec/struct.js';
export { type Config, ConfigError } from './config.js';
export { DECODED, ENCODED, type Form } from './contexts/document.js';
export type { Mutation } from './contexts/evaluate.js';
export type { DeltaView, SyncResult, View } from './contexts/events.js';
export type { DeltaForm, Formatters } from './contexts/forms.js';
export type { Failed, Progress } from './contexts/progress.js';
export type {
  BatchedResult,
  BatchedWrite,
  ContextService,
  Expected,
  UpdateOptions,
  WriteOptions,
  WriteResult,
} from './contexts/service.js';
export type { Transfer, Transferred } from './contexts/transfer.js';
export { type DeltaToFormat, type Format, type Formatter, Inexpressible } from './delta/formats/format.js';
export * from './delta/index.js';
export { narrow, prune, type Scope, scopeOf } from './delta/scope.js';
export { ChordError, type ErrorDetails, type FieldViolation, type Reason } from './errors.js';
export type { Clock, Expiry, Head, Json, JsonObject, Position } from './model.js';
export type { Part, Parts } from './parts.js';
export { openMemory } from './store/memory.js';
export type * from './store/store.js';
export type { ExportedContext, ExportedRecord, Provider, SavedContext } from './transfer/provider.js';
export { type Sink, type Subscription, type WatchEvent, Watcher } from './watch/watcher.js';
