/** The services as they are generated, with what a transport needs of each method. */
import type { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { AdminServiceDefinition } from './gen/chord/v1/admin_service.js';
import { CleanupServiceDefinition } from './gen/chord/v1/cleanup_service.js';
import { ContextServiceDefinition } from './gen/chord/v1/context_service.js';
import { SyncServiceDefinition } from './gen/chord/v1/sync_service.js';
import { TransferServiceDefinition } from './gen/chord/v1/transfer_service.js';
import type { Definition } from './transport.js';

interface MessageType<M> {
  encode(message: M): BinaryWriter;
  decode(input: BinaryReader | Uint8Array): M;
}

interface GeneratedMethod {
  readonly name: string;
  readonly requestType: MessageType<never>;
  readonly responseType: MessageType<unknown>;
  readonly responseStream: boolean;
}

interface GeneratedService {
  readonly fullName: string;
  readonly methods: object;
}

/** By the names of its methods. */
type Service<M extends object> = {
  readonly [K in keyof M]: M[K] extends {
    readonly requestType: { encode(message: infer Q): unknown };
    readonly responseType: { decode(bytes: Uint8Array): infer A };
    readonly responseStream: infer S extends boolean;
  }
    ? Definition<Q, A, S>
    : never;
};

function service<G extends GeneratedService>(generated: G): Service<G['methods']> {
  const methods = Object.entries<GeneratedMethod>(generated.methods as Record<string, GeneratedMethod>).map(
    ([key, { name, requestType, responseType, responseStream }]) => [
      key,
      {
        path: `/${generated.fullName}/${name}`,
        requestSerialize: (request: never) => requestType.encode(request).finish(),
        requestDeserialize: (bytes: Uint8Array) => requestType.decode(bytes),
        responseDeserialize: (bytes: Uint8Array) => responseType.decode(bytes),
        responseStream,
      },
    ],
  );
  return Object.fromEntries(methods);
}

// Marked, so that bundlers leave out what a page does not use.
export const admin = /* @__PURE__ */ service(AdminServiceDefinition);
export const cleanup = /* @__PURE__ */ service(CleanupServiceDefinition);
export const contexts = /* @__PURE__ */ service(ContextServiceDefinition);
export const sync = /* @__PURE__ */ service(SyncServiceDefinition);
export const transfer = /* @__PURE__ */ service(TransferServiceDefinition);
