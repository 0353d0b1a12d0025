/**
 * Makes an OpenTelemetry span for each call, as a child of the span that the client names by W3C trace context. The
 * handler runs within the span: spans of other code (a store or provider plugin, an instrumented driver) become its
 * children. Without an SDK there is no such middleware, and the API is not loaded.
 */
import { type Metadata, status } from '@grpc/grpc-js';
import type { Attributes, Context, Span, TextMapGetter, Tracer, TracerProvider } from '@opentelemetry/api';
import type { CallFor, End, Middleware } from '../call.js';
import { describeCall, pathOf, positionOf } from '../call-description.js';

/** The symbol under which all copies of the API, 1.x, share what was registered with one of them. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/** Statuses that are faults of the server, by OpenTelemetry's conventions for gRPC. */
const FAULTS = new Set([
  ...[status.UNKNOWN, status.DEADLINE_EXCEEDED, status.UNIMPLEMENTED, status.INTERNAL, status.UNAVAILABLE],
  status.DATA_LOSS,
]);

/** The most contexts of a batch that a span names. */
const CONTEXTS_MAX = 10;

const METADATA: TextMapGetter<Metadata> = {
  keys: (metadata) => Object.keys(metadata.getMap()),
  get: (metadata, key) => metadata.get(key).map(String),
};

/** Undefined where no SDK is registered: the SDK must be set up first. */
export async function openTracing(version: string): Promise<Middleware<'within' | 'traceId'> | undefined> {
  if (!(REGISTERED in globalThis)) return undefined;
  const api = await import('@opentelemetry/api');
  const tracer = tracerOf(api.trace.getTracerProvider(), version);
  return tracer && traced(tracer, api);
}

/** The API puts a proxy before the SDK's provider, also where there is no SDK. */
function tracerOf(provider: TracerProvider, version: string): Tracer | undefined {
  const standIn = provider as Partial<{ getDelegateTracer(name: string, version: string): Tracer | undefined }>;
  return standIn.getDelegateTracer ? standIn.getDelegateTracer('chord', version) : provider.getTracer('chord', version);
}

type Api = typeof import('@opentelemetry/api');

function traced(
  tracer: Tracer,
  { context, propagation, trace, SpanKind, SpanStatusCode }: Api,
): Middleware<'within' | 'traceId'> {
  const spans = new WeakMap<object, Span>();
  /** An instrumentation of gRPC that made a span already has read the metadata. */
  const parentOf = (metadata: Metadata): Context => {
    const active = context.active();
    return trace.getSpan(active) ? active : propagation.extract(active, metadata, METADATA);
  };
  return {
    enter(call) {
      const parent = parentOf(call.metadata);
      const span = tracer.startSpan(pathOf(call.method), { kind: SpanKind.SERVER, attributes: atFirst(call) }, parent);
      const within = trace.setSpan(parent, span);
      call.within = (work) => context.with(within, work);
      call.traceId = span.spanContext().traceId;
      spans.set(call, span);
    },
    leave(call, end) {
      const span = spans.get(call)!;
      if (span.isRecording()) {
        span.setAttributes(atLast(call, end));
        if (FAULTS.has(end.code)) span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

function atFirst(call: CallFor): Attributes {
  const { method } = call;
  const [, address, port] = /^(.*):(\d+)$/.exec(call.getPeer()) ?? []; // unknown where the client is gone already
  return {
    'rpc.system': 'grpc',
    'rpc.service': method.service,
    'rpc.method': method.name,
    ...(address !== undefined && { 'network.peer.address': address, 'network.peer.port': Number(port) }),
  };
}

function atLast(call: CallFor, { code, answer }: End): Attributes {
  const { contextId, contextIds, prefix, targets } = describeCall(call);
  const position = positionOf(call.method, answer);
  const { identity, method, messagesSent, bytesSent } = call;
  return {
    'rpc.grpc.status_code': code,
    ...(FAULTS.has(code) && { 'error.type': status[code] }),
    ...(identity.kind !== 'anonymous' && { 'enduser.id': identity.name }),
    ...(contextId !== undefined && { 'chord.context_id': contextId }),
    ...(contextIds !== undefined && { 'chord.context_ids': contextIds.slice(0, CONTEXTS_MAX) }),
    ...(prefix !== undefined && { 'chord.prefix': prefix }),
    ...(targets !== undefined && { 'chord.targets': targets }),
    ...(position !== undefined && { 'chord.position': position }),
    ...(method.streams && { 'chord.messages_sent': messagesSent, 'chord.bytes_sent': bytesSent }),
  };
}
