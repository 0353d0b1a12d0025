/** connectrpc.conformance.v1.ConformanceService: answers what a request says, and repeats what was received. */
import { setTimeout as sleep } from 'node:timers/promises';
import { create, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import type { UniversalServerRequest } from '@connectrpc/connect/protocol';
import { Metadata, status } from '@grpc/grpc-js';
import { Status } from '../../../src/gen/google/rpc/status.js';
import type { Call, Route } from '../../../src/grpc/call.js';
import { WebApi } from '../../../src/web/api.js';
import type { WebCaller } from '../../../src/web/web-call.js';

const PACKAGE = 'connectrpc.conformance.v1';
export const SERVICE = `${PACKAGE}.ConformanceService`;
/** The query of a GET, which the call pipeline does not see. */
const QUERY = 'x-query';

/** Messages are untyped: the descriptors are read at run time. */
// biome-ignore lint/suspicious/noExplicitAny: as said
type Untyped = any;

interface Header {
  readonly name: string;
  readonly value: readonly string[];
}

export class ConformanceApi extends WebApi {
  override answer(path: string, request: UniversalServerRequest, caller: WebCaller, connection: object) {
    const query = request.method === 'GET' && { [QUERY]: new URL(request.url).search };
    return super.answer(path, request, { ...caller, headers: { ...caller.headers, ...query } }, connection);
  }
}

export function routesOf(registry: FileRegistry): Route[] {
  return registry.getService(SERVICE)!.methods.map(({ name, input, output, methodKind }) => ({
    ...{ service: SERVICE, name, path: `/${SERVICE}/${name}`, streams: methodKind !== 'unary' },
    decode: (bytes: Buffer) => fromBinary(input, bytes),
    encode: (answer: unknown) => toBinary(output, create(output, answer as never)),
    stream: (call: Call) => {
      const answering = name === 'Unimplemented' ? refuse(call) : answer(registry, call, methodKind !== 'unary');
      answering.catch((error) => call.fail(error));
    },
  }));
}

async function refuse(call: Call): Promise<void> {
  call.finish({ code: status.UNIMPLEMENTED, details: 'not implemented' });
}

async function answer(registry: FileRegistry, call: Call, streams: boolean): Promise<void> {
  const { responseDefinition: definition } = call.request as Untyped;
  const requestInfo = infoOf(registry, call);
  if (definition) call.sendMetadata(metadataOf(definition.responseHeaders));
  const delay = definition?.responseDelayMs ?? 0;
  const messages: Uint8Array[] = streams ? (definition?.responseData ?? []) : [definition?.response?.value];
  const error = streams ? definition?.error : definition?.response?.case === 'error' && definition.response.value;
  let sent = 0;
  for (const data of !streams && error ? [] : messages) {
    await sleep(delay);
    call.write({ payload: { data, ...(sent++ === 0 && { requestInfo }) } });
  }
  if (error && sent === 0) await sleep(delay);
  const metadata = metadataOf(definition?.responseTrailers ?? []);
  if (!error) return call.finish({ code: status.OK, details: 'OK', metadata });
  const { code, message = '', details } = error;
  const info = anyPack(registry.getMessage(`${PACKAGE}.ConformancePayload.RequestInfo`)!, requestInfo);
  const packed = sent === 0 ? [...details, info] : details;
  const rich = { code, message, details: packed.map(({ typeUrl, value }: Untyped) => ({ typeUrl, value })) };
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode(rich).finish()));
  call.finish({ code, details: message, metadata });
}

function infoOf(registry: FileRegistry, { metadata, request }: Call): Untyped {
  const { [QUERY]: query, ...headers } = metadata.toHttp2Headers();
  const { $typeName } = request as { readonly $typeName: string };
  const timeout = timeoutOf(headers);
  return create(registry.getMessage(`${PACKAGE}.ConformancePayload.RequestInfo`)!, {
    requestHeaders: Object.entries(headers).map(([name, values]) => ({
      name,
      value: [values ?? []].flat().map(String),
    })),
    requests: [anyPack(registry.getMessage($typeName)!, request as Untyped)],
    ...(timeout !== undefined && { timeoutMs: BigInt(timeout) }),
    ...(query !== undefined && { connectGetInfo: { queryParams: paramsOf(String(query)) } }),
  } as Untyped);
}

function paramsOf(query: string): Header[] {
  const params = new URLSearchParams(query);
  return [...new Set(params.keys())].map((name) => ({ name, value: params.getAll(name) }));
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds. */
function timeoutOf(headers: Readonly<Record<string, unknown>>): number | undefined {
  const connect = headers['connect-timeout-ms'];
  if (connect !== undefined) return Number(connect);
  const [, value, unit] = /^(\d+)([HMSmun])$/.exec(String(headers['grpc-timeout'])) ?? [];
  return unit === undefined ? undefined : Math.round(Number(value) * UNITS[unit]!);
}

function metadataOf(headers: readonly Header[]): Metadata {
  const metadata = new Metadata();
  for (const { name, value } of headers) {
    const isBinary = name.toLowerCase().endsWith('-bin');
    for (const each of value) metadata.add(name, isBinary ? Buffer.from(each, 'base64') : each);
  }
  return metadata;
}
