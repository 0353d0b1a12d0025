/** The entry of the library: `import { startChord } from 'chordstate-server'`. */

export type { CleanupOptions, RetentionRules } from './cleanup/policy.js';
export type { Counts, Item, Swept } from './cleanup/sweep.js';
export type {
  CleanupResult,
  CleanupStatus,
  CleanupTotals,
  RunOptions,
  Sweeper,
} from './cleanup/sweeper.js';
export { decodeChanges } from './codec/changes.js';
export { decodeStruct, EncodedStruct } from './codec/struct.js';
export { type Config, ConfigError } from './config/config.js';
export type { DeltaView, SyncResult, View } from './contexts/events.js';
export { DECODED, ENCODED, type Form } from './contexts/lane/document.js';
export type { ContextService } from './contexts/service.js';
export type { DeltaForm, Formatters } from './contexts/sync/formats.js';
export type { BatchedResult, BatchedWrite } from './contexts/writes/batch.js';
export type { Expected } from './contexts/writes/conditions.js';
export type { Mutation } from './contexts/writes/mutations.js';
export type { UpdateOptions, WriteOptions, WriteResult } from './contexts/writes/writes.js';
export { type DeltaToFormat, type Format, type Formatter, Inexpressible } from './delta/formats/format.js';
export * from './delta/index.js';
export { type Projection, projectChanges, projectDocument, projectionOf } from './delta/projection.js';
export type { CheckTest, DocumentCheck, SinceReason, Unmet, UnmetOne } from './model/conditions.js';
export { ChordError, type ErrorDetails, type FieldViolation, type Reason } from './model/errors.js';
export type { Clock, Expiry, Head, Json, JsonObject, Payload, Position } from './model/model.js';
export { type Chord, type ChordOptions, type Engine, openChord, startChord } from './server/app.js';
export type { Plugin, Plugins } from './server/plugins.js';
export { openMemory } from './store/memory.js';
export type * from './store/store.js';
export type { ExportedContext, ExportedRecord, Provider, SavedContext } from './transfer/export-provider.js';
export type { Failed, TransferProgress, Transferred } from './transfer/for-each-context.js';
export type { Transfer } from './transfer/transfer.js';
export type { Sink, Subscription, WatchEvent } from './watch/subscription.js';
export { Watcher } from './watch/watcher.js';
