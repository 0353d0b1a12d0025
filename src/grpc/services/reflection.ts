/**
 * Server reflection, versions v1 and v1alpha, from the descriptors that buf built: `grpcurl` and `ghz` work without
 * proto files. (The package @grpc/reflection sends files without their imports, which those tools refuse.)
 */

import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { descriptors } from '../../gen/descriptors.js';
import type { Route } from '../call.js';

/**
 * The parts of a ServerReflectionRequest that a response needs: field number, text, and the whole request to send back.
 */
interface ReflectionQuery {
  readonly field: number;
  readonly text: string;
  readonly request: Uint8Array;
}

// Fields of ServerReflectionRequest.
const FILE_BY_FILENAME = 3;
const FILE_CONTAINING_SYMBOL = 4;
const LIST_SERVICES = 7;

/** Size limit of a reflection request, in bytes. */
const REQUEST_BYTES_MAX = 64 * 1024;

export const REFLECTIONS = ['v1', 'v1alpha'].map((version) => `grpc.reflection.${version}.ServerReflection`);

/** @param services the services to list */
export function reflections(services: readonly string[]): { definition: ServiceDefinition; route: Route }[] {
  const index = indexFiles(services);
  return REFLECTIONS.map((service) => {
    const definition = reflectionDefinition(service);
    const { path, responseSerialize: encode } = definition.serverReflectionInfo!;
    const each = (query: ReflectionQuery) => answer(query, index);
    const name = 'ServerReflectionInfo';
    return { definition, route: { path, service, name, streams: true, encode, maxBytes: REQUEST_BYTES_MAX, each } };
  });
}

function reflectionDefinition(service: string): ServiceDefinition {
  return {
    serverReflectionInfo: {
      path: `/${service}/ServerReflectionInfo`,
      requestStream: true,
      responseStream: true,
      requestSerialize: () => Buffer.alloc(0),
      requestDeserialize: readRequest,
      responseSerialize: (bytes: Uint8Array) => Buffer.from(bytes),
      responseDeserialize: (bytes) => bytes,
    },
  };
}

interface Index {
  readonly services: readonly string[];
  readonly byName: ReadonlyMap<string, FileDescriptorProto>;
  readonly bySymbol: ReadonlyMap<string, FileDescriptorProto>;
}

function indexFiles(services: readonly string[]): Index {
  const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptors, 'base64'));
  const bySymbol = new Map<string, FileDescriptorProto>();
  for (const each of file) {
    const prefix = each.package === '' ? '' : `${each.package}.`;
    for (const { name } of [...each.messageType, ...each.enumType]) bySymbol.set(prefix + name, each);
    for (const { name, method } of each.service) {
      bySymbol.set(prefix + name, each);
      for (const call of method) bySymbol.set(`${prefix}${name}.${call.name}`, each);
    }
  }
  return { services, byName: new Map(file.map((each) => [each.name, each])), bySymbol };
}

function answer({ field, text, request }: ReflectionQuery, index: Index): Uint8Array {
  const writer = new BinaryWriter().uint32((2 << 3) | 2).bytes(request);
  if (field === LIST_SERVICES) {
    writer.uint32((6 << 3) | 2).fork();
    for (const name of index.services)
      writer
        .uint32((1 << 3) | 2)
        .fork()
        .uint32((1 << 3) | 2)
        .string(name)
        .join();
    return writer.join().finish();
  }
  const file =
    field === FILE_BY_FILENAME
      ? index.byName.get(text)
      : field === FILE_CONTAINING_SYMBOL
        ? findSymbol(text, index)
        : undefined;
  if (!file) {
    writer.uint32((7 << 3) | 2).fork();
    writer
      .uint32(1 << 3)
      .int32(status.NOT_FOUND)
      .uint32((2 << 3) | 2)
      .string(`not known here: ${text}`);
    return writer.join().finish();
  }
  writer.uint32((4 << 3) | 2).fork();
  for (const each of withImports(file, index))
    writer.uint32((1 << 3) | 2).bytes(toBinary(FileDescriptorProtoSchema, each));
  return writer.join().finish();
}

/** A symbol inside a message is found by the message's name. */
function findSymbol(symbol: string, index: Index): FileDescriptorProto | undefined {
  for (let name = symbol; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('.')))) {
    const file = index.bySymbol.get(name);
    if (file) return file;
  }
  return undefined;
}

function withImports(
  file: FileDescriptorProto,
  index: Index,
  found = new Set<FileDescriptorProto>(),
): Set<FileDescriptorProto> {
  found.add(file);
  for (const name of file.dependency) {
    const imported = index.byName.get(name);
    if (imported && !found.has(imported)) withImports(imported, index, found);
  }
  return found;
}

function readRequest(bytes: Buffer): ReflectionQuery {
  const reader = new BinaryReader(bytes);
  let found = { field: 0, text: '' };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    const text = field === FILE_BY_FILENAME || field === FILE_CONTAINING_SYMBOL || field === LIST_SERVICES;
    if (text && wireType === 2) found = { field, text: reader.string() };
    else reader.skip(wireType);
  }
  return { ...found, request: bytes };
}
