/**
 * The services as they are generated from the .proto files, for `Client.call` and `Client.stream`:
 * `import { cleanup } from 'chordstate/grpc'`.
 */
export { FullReason } from './gen/chord/v1/model.js';
export { DeletedReason } from './gen/chord/v1/sync_service.js';
export { admin, cleanup, contexts, sync, transfer } from './services.js';
