/** Clients of the web port, in each protocol that it speaks. */
import { createFileRegistry, type DescService, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { descriptors } from '../../src/gen/descriptors.js';

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64')));

/** Messages are untyped: the descriptors are read at run time. */
// biome-ignore lint/suspicious/noExplicitAny: as said
type Untyped = any;

export interface WebClient {
  readonly contexts: Untyped;
  readonly sync: Untyped;
  readonly health: Untyped;
}

export interface WebTransportOptions {
  readonly baseUrl: string;
  readonly nodeOptions?: object;
}

const serviceOf = (name: string): DescService => registry.getService(name)!;

export function webClient(transport: Transport): WebClient {
  return {
    contexts: createClient(serviceOf('chord.v1.ContextService'), transport),
    sync: createClient(serviceOf('chord.v1.SyncService'), transport),
    health: createClient(serviceOf('grpc.health.v1.Health'), transport),
  };
}

/** By the name of the protocol and the version of HTTP. */
export const TRANSPORTS: Readonly<Record<string, (options: WebTransportOptions) => Transport>> = Object.fromEntries(
  (['1.1', '2'] as const).flatMap((httpVersion) => [
    [
      `connect json ${httpVersion}`,
      (o: WebTransportOptions) => createConnectTransport({ ...o, httpVersion, useBinaryFormat: false }),
    ],
    [
      `connect proto ${httpVersion}`,
      (o: WebTransportOptions) => createConnectTransport({ ...o, httpVersion, useBinaryFormat: true }),
    ],
    [`grpc-web ${httpVersion}`, (o: WebTransportOptions) => createGrpcWebTransport({ ...o, httpVersion })],
    ...(httpVersion === '2' ? [['grpc 2', (o: WebTransportOptions) => createGrpcTransport({ ...o })]] : []),
  ]),
);

export async function webError(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; details: string[] }> {
  try {
    await promise;
  } catch (error) {
    const { code, rawMessage, details } = ConnectError.from(error);
    return {
      code: Code[code]!,
      message: rawMessage,
      details: details.map((each) => ('type' in each ? each.type : '')),
    };
  }
  throw new Error('the call has succeeded');
}
