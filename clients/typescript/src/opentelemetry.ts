/**
 * Spans of OpenTelemetry for each try of a call, and each connection of a watch, by the conventions for RPC; the server's spans are
 * their children: `connect(address, { interceptors: [spans()] })`, `import { spans } from 'chordstate/opentelemetry'`. For Node.
 */
import { InterceptingCall, type Interceptor, type Metadata, status } from '@grpc/grpc-js';
import { context, propagation, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { VERSION } from './version.js';

const INTO_METADATA = { set: (metadata: Metadata, key: string, value: string) => metadata.set(key, value) };

/** @param tracer default: that of the SDK that the program has registered; without one, there are no spans */
export function spans(tracer: Tracer = trace.getTracer('chordstate', VERSION)): Interceptor {
  return (options, next) => {
    const method = options.method_definition.path.slice(1);
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': method };
    const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes });
    const within = trace.setSpan(context.active(), span);
    return new InterceptingCall(next(options), {
      start(metadata, _, go) {
        propagation.inject(within, metadata, INTO_METADATA);
        go(metadata, {
          onReceiveStatus(end, pass) {
            const name = status[end.code] ?? String(end.code);
            span.setAttribute('rpc.status_code', name);
            if (end.code !== status.OK) {
              span.setAttribute('error.type', name).setStatus({ code: SpanStatusCode.ERROR, message: end.details });
            }
            span.end();
            pass(end);
          },
        });
      },
    });
  };
}
