/**
 * Spans of OpenTelemetry for each try of a call, and each connection of a watch, by the conventions for RPC; the server's spans are
 * their children: `connect(address, { interceptors: [spans()] })`, `import { spans } from 'chordstate/opentelemetry'`. For Node.
 */
import { InterceptingCall, type Interceptor, type Metadata, status } from '@grpc/grpc-js';
import {
  type Attributes,
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { VERSION } from './version.js';

const INTO_METADATA = { set: (metadata: Metadata, key: string, value: string) => metadata.set(key, value) };

/** @param tracer default: that of the SDK that the program has registered; without one, there are no spans */
export function spans(tracer: Tracer = trace.getTracer('chordstate', VERSION)): Interceptor {
  return (options, next) => {
    const method = options.method_definition.path.slice(1);
    const call = next(options);
    // Before a call has begun, its peer is the target of the channel.
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': method, ...serverOf(call.getPeer()) };
    const span = tracer.startSpan(method, { kind: SpanKind.CLIENT, attributes });
    const within = trace.setSpan(context.active(), span);
    return new InterceptingCall(call, {
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

/** Host and port of a target with one address, `dns:NAME:PORT` say; a list of addresses as it is. */
function serverOf(target: string): Attributes {
  const [, host, port] = /^[a-z][a-z\d+.-]*:(?:\/\/[^/]*\/)?(\[[^\]]*\]|[^:,]+):(\d+)$/.exec(target) ?? [];
  if (host === undefined) return { 'server.address': target };
  return { 'server.address': host.replace(/^\[(.*)\]$/, '$1'), 'server.port': Number(port) };
}
