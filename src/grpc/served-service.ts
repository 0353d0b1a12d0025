/**
 * A proto service as Chord serves it. All calls share two rules. A request that cannot be decoded is INVALID_ARGUMENT
 * with the name of the invalid field (grpc-js alone answers INTERNAL). A response that is a Buffer is sent as it is.
 */
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import type { Call, Route } from './call.js';
import { BOUNDS } from './codec/field-limits.js';
import { decodeRequest, largeRequest } from './codec/request-decoding.js';
import { decodeWatchInSteps } from './codec/watch-request.js';

export interface ServedService {
  readonly definition: ServiceDefinition;
  /** Handlers of unary methods, by their keys in the definition. */
  readonly unary?: Readonly<Record<string, (request: never, call: Call) => unknown>>;
  /** Handlers of streaming methods, and of unary ones that last as streams do. */
  readonly streams?: Readonly<Record<string, (call: Call) => void>>;
  /** The largest requests of single methods, in bytes. */
  readonly maxBytes?: Readonly<Record<string, number>>;
}

/** `chord.v1.ContextService` */
export function nameOf({ definition }: ServedService): string {
  return serviceOf(Object.values(definition)[0]!.path);
}

/** @param members the most that the values of one request may have */
export function routesOf({ definition, unary = {}, streams = {}, maxBytes = {} }: ServedService, members: number) {
  return [
    ...Object.entries(unary).map(([key, answer]): Route => ({ ...methodOf(definition, key, members), unary: answer })),
    ...Object.entries(streams).map(([key, serve]): Route => {
      const max = maxBytes[key] === undefined ? {} : { maxBytes: maxBytes[key] };
      return { ...methodOf(definition, key, members), streams: true, stream: serve, ...max };
    }),
  ];
}

/** The same service for grpc-js, with Chord's decoding and encoding of messages. */
export function definitionOf({ definition }: ServedService): ServiceDefinition {
  const methods = Object.entries(definition).map(([name, method]: [string, MethodDefinition<unknown, unknown>]) => [
    name,
    {
      ...method,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: encoder(method),
    },
  ]);
  return Object.fromEntries(methods);
}

function methodOf(definition: ServiceDefinition, key: string, members: number) {
  const { path, responseStream: streams, requestDeserialize } = definition[key]!;
  const name = path.slice(path.lastIndexOf('/') + 1);
  const decode = decodeRequest(requestDeserialize, BOUNDS[name], members);
  const decodeLarge = name === 'WatchContexts' ? largeRequest(decodeWatchInSteps, BOUNDS[name]!) : undefined;
  return { path, service: serviceOf(path), name, streams, decode, decodeLarge, encode: encoder(definition[key]!) };
}

function serviceOf(path: string): string {
  return path.split('/')[1]!;
}

function encoder(method: Pick<MethodDefinition<unknown, unknown>, 'responseSerialize'>): (answer: unknown) => Buffer {
  return (answer) => (Buffer.isBuffer(answer) ? answer : method.responseSerialize(answer));
}
