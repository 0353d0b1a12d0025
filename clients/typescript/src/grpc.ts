/**
 * The services as they are generated from the .proto files, for `Client.call` and `Client.stream`:
 * `import { cleanup } from 'chordstate/grpc'`.
 */
export { CleanupServiceService as cleanup } from './gen/chord/v1/cleanup_service.js';
export { ContextServiceService as contexts } from './gen/chord/v1/context_service.js';
export { FullReason } from './gen/chord/v1/model.js';
export { DeletedReason, SyncServiceService as sync } from './gen/chord/v1/sync_service.js';
export { TransferServiceService as transfer } from './gen/chord/v1/transfer_service.js';
