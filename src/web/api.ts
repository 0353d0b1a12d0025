/**
 * Chord's API over HTTP: the protocols Connect (with JSON or Protobuf, and GET for reads), gRPC-Web and gRPC. The package
 * @connectrpc/connect speaks them; every call passes the same call pipeline as on the gRPC port.
 *
 * Connect sees an empty request in place of each request's message (see request-message.ts), and where the answer is
 * Protobuf, its bytes: the messages of a document are encoded once, by the codec of the gRPC port.
 */
import { createFileRegistry, type DescMethod, type FileRegistry, fromBinary, type Message } from '@bufbuild/protobuf';
import { EmptySchema, FileDescriptorSetSchema, MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt';
import {
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect';
import type { UniversalHandler, UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import { compressionGzip } from '@connectrpc/connect-node';
import { descriptors } from '../gen/descriptors.js';
import type { Call } from '../grpc/call.js';
import { kindOf } from '../grpc/methods.js';
import type { CallPipeline } from '../grpc/pipeline.js';
import { entityTag } from './entity-tag.js';
import { readRequest } from './request-message.js';
import { WebCall, type WebCaller } from './web-call.js';

/** Smaller answers are sent as they are, in bytes. */
const COMPRESS_FROM = 1024;
/** The longest timer, in milliseconds. */
const TIMEOUT_MAX = 2 ** 31 - 1;
const CALL = createContextKey<WebCall | undefined>(undefined);
/** The same call in the pipeline. */
const PIPELINE_CALL = createContextKey<Call | undefined>(undefined);

interface Served {
  readonly method: DescMethod;
  /** The methods of HTTP that it takes, as in `Allow`. */
  readonly allow: string;
  /** Encodes answers as JSON, or passes them as they are. */
  readonly json: UniversalHandler;
  readonly proto: UniversalHandler;
}

export class WebApi {
  readonly #served = new Map<string, Served>();
  readonly #registry: FileRegistry;

  /**
   * @param services the names of the services to serve, as `chord.v1.ContextService`
   * @param descriptorSet a google.protobuf.FileDescriptorSet that describes them
   */
  constructor(
    private readonly pipeline: CallPipeline,
    services: readonly string[],
    descriptorSet: Uint8Array = Buffer.from(descriptors, 'base64'),
  ) {
    this.#registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
    for (const name of services) {
      for (const method of this.#registry.getService(name)!.methods) {
        const json = handler({ ...method, input: EmptySchema }, this.#registry);
        const proto = handler({ ...method, input: EmptySchema, output: EmptySchema }, this.#registry);
        const allow = answersGet(method) ? 'GET, HEAD, POST, OPTIONS' : 'POST, OPTIONS';
        this.#served.set(`/${name}/${method.name}`, { method, allow, json, proto });
      }
    }
  }

  /** @param path `/chord.v1.ContextService/GetContext` */
  serves(path: string): boolean {
    return this.#served.has(path);
  }

  /**
   * Never rejects for what a client sends. HEAD comes here as GET.
   * @param connection the same object for all calls of a connection
   */
  async answer(
    path: string,
    request: UniversalServerRequest,
    caller: WebCaller,
    connection: object,
  ): Promise<UniversalServerResponse> {
    const { method, allow, json, proto } = this.#served.get(path)!;
    const web = new WebCall(caller, () => readRequest(counted(request, web), method.input, this.#registry));
    const call = this.pipeline.call(path, web, connection);
    web.onReceived = () => this.pipeline.unfinished?.grow(call);
    web.onUnreadable = (error) => {
      if (error instanceof ConnectError) call.finish({ code: error.code as number, details: error.rawMessage });
      else call.fail(error);
    };
    call.start();
    const contextValues = createContextValues().set(CALL, web).set(PIPELINE_CALL, call);
    const respond = isJson(request) ? json : proto;
    const response = await respond({ ...request, ...emptied(request), contextValues });
    // Connect has refused the request by its headers, and the pipeline still waits for its message.
    if (call.waits) web.cancel();
    return response.status === 405 ? { ...response, header: new Headers({ allow }) } : response;
  }
}

/** Connect answers GET for methods without side effects. */
function answersGet({ parent, name, methodKind }: DescMethod): boolean {
  return methodKind === 'unary' && kindOf({ service: parent.typeName, name }) === 'read';
}

function handler(declared: DescMethod, registry: FileRegistry): UniversalHandler {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip],
    compressMinBytes: COMPRESS_FROM,
    maxTimeoutMs: TIMEOUT_MAX,
    jsonOptions: { registry },
  });
  serve(router, declared);
  return router.handlers[0]!;
}

function serve(router: ConnectRouter, declared: DescMethod): void {
  const { name, output, methodKind } = declared;
  const decode = (bytes: Uint8Array) => fromBinary(output, bytes);
  const answers = (context: HandlerContext) => context.values.get(CALL)!.answers(context);
  if (methodKind === 'server_streaming') {
    const method = declared as DescMethod & { methodKind: 'server_streaming' };
    router.rpc(method, async function* (_: Message, context: HandlerContext) {
      for await (const bytes of answers(context)) yield decode(bytes);
    });
    return;
  }
  const method = answersGet(declared)
    ? { ...declared, idempotency: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS }
    : declared;
  router.rpc(method as DescMethod & { methodKind: 'unary' }, async (_: Message, context: HandlerContext) => {
    let answer: Message | undefined;
    // To the end: what the pipeline sends beside the answer comes after it.
    for await (const bytes of answers(context)) {
      const tag =
        context.requestMethod === 'GET' && entityTag(name, bytes, context.values.get(PIPELINE_CALL)?.rights?.key);
      if (tag) context.responseHeader.set('etag', tag);
      answer = decode(bytes);
    }
    if (answer) return answer;
    throw new Error(`${name} has ended without an answer`);
  });
}

function isJson({ method, url, header }: UniversalServerRequest): boolean {
  if (method === 'GET') return new URL(url).searchParams.get('encoding') === 'json';
  return /json/i.test(header.get('content-type') ?? '');
}

/** The request with an empty message, as its protocol frames it. */
function emptied(request: UniversalServerRequest): Pick<UniversalServerRequest, 'url' | 'header' | 'body'> {
  const header = new Headers(request.header);
  for (const name of ['content-length', 'content-encoding', 'connect-content-encoding', 'grpc-encoding'])
    header.delete(name);
  const url = new URL(request.url);
  const message = isJson(request) ? '{}' : '';
  if (request.method === 'GET') {
    url.searchParams.set('message', message);
    for (const name of ['base64', 'compression']) url.searchParams.delete(name);
  }
  const framed = /^application\/(?:connect\+|grpc)/i.test(header.get('content-type') ?? '');
  const prefix = framed ? Buffer.from([0, 0, 0, 0, message.length]) : Buffer.alloc(0);
  return { url: url.href, header, body: once(Buffer.concat([prefix, Buffer.from(message)])) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** The same request; the call counts the bytes of its body as they arrive. */
function counted(request: UniversalServerRequest, call: WebCall): UniversalServerRequest {
  return { ...request, body: call.count(request.body as AsyncIterable<Uint8Array>) };
}
