/** The services for a server of @grpc/grpc-js, from the definitions that are generated for the client. */
import type { ServiceDefinition } from '@grpc/grpc-js';
import { ContextServiceDefinition } from '../../src/gen/chord/v1/context_service.js';
import { SyncServiceDefinition } from '../../src/gen/chord/v1/sync_service.js';

interface MessageType {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}

function served({ fullName, methods }: { readonly fullName: string; readonly methods: object }): ServiceDefinition {
  const definitions = Object.entries(methods).map(([key, { name, requestType, responseType, ...streams }]) => [
    key,
    { path: `/${fullName}/${name}`, ...streams, ...codec('request', requestType), ...codec('response', responseType) },
  ]);
  return Object.fromEntries(definitions);
}

function codec(kind: 'request' | 'response', type: MessageType): object {
  return {
    [`${kind}Serialize`]: (message: unknown) => Buffer.from(type.encode(message).finish()),
    [`${kind}Deserialize`]: (bytes: Buffer) => type.decode(bytes),
  };
}

export const contextService = served(ContextServiceDefinition);
export const syncService = served(SyncServiceDefinition);
