/**
 * Makes an OpenTelemetry span for each call, as a child of the span that the client names by W3C trace context. The
 * handler runs within the span: spans of other code (a store or provider plugin, an instrumented driver) become its
 * children. Without an SDK there is no such middleware.
 */
import { type Metadata, status } from '@grpc/grpc-js';
import type { Attributes, Context, Histogram, Span, TextMapGetter, Tracer } from '@opentelemetry/api';
import type { OpenTelemetryApi } from '../../observability/opentelemetry.js';
import type { CallFor, End, Method, Middleware } from '../call.js';
import { describeCall, pathOf, positionOf } from '../call-description.js';

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

export function tracingMiddleware(
  tracer: Tracer,
  { context, propagation, trace, SpanKind, SpanStatusCode }: OpenTelemetryApi,
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

/** Records how long each call took, as the RPC conventions name it; streams are left out. */
export function durationMiddleware(durations: Histogram): Middleware {
  return {
    enter() {},
    leave({ method, startedAt }, { code }) {
      if (method.streams) return;
      durations.record((performance.now() - startedAt) / 1000, { ...rpc(method), ...outcome(code) });
    },
  };
}

function rpc(method: Method): Attributes {
  return { 'rpc.system.name': 'grpc', 'rpc.method': pathOf(method) };
}

function outcome(code: status): Attributes {
  return { 'rpc.status_code': status[code], ...(FAULTS.has(code) && { 'error.type': status[code] }) };
}

function atFirst(call: CallFor): Attributes {
  const { method } = call;
  const [, address, port] = /^(.*):(\d+)$/.exec(call.getPeer()) ?? []; // unknown where the client is gone already
  return {
    ...rpc(method),
    ...(address !== undefined && { 'network.peer.address': address, 'network.peer.port': Number(port) }),
  };
}

function atLast(call: CallFor, { code, answer }: End): Attributes {
  const { contextId, contextIds, prefix, targets } = describeCall(call);
  const position = positionOf(call.method, answer);
  const { identity, method, messagesSent, bytesSent } = call;
  return {
    ...outcome(code),
    ...(identity.kind !== 'anonymous' && { 'enduser.id': identity.name }),
    ...(contextId !== undefined && { 'chord.context_id': contextId }),
    ...(contextIds !== undefined && { 'chord.context_ids': contextIds.slice(0, CONTEXTS_MAX) }),
    ...(prefix !== undefined && { 'chord.prefix': prefix }),
    ...(targets !== undefined && { 'chord.targets': targets }),
    ...(position !== undefined && { 'chord.position': position }),
    ...(method.streams && { 'chord.messages_sent': messagesSent, 'chord.bytes_sent': bytesSent }),
  };
}
