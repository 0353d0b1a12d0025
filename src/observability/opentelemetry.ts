/**
 * The OpenTelemetry API, where an SDK is set up: a tracer, a meter, or both. Without an SDK nothing is loaded, and no call
 * pays for it. The names of attributes are those of the RPC conventions 1.45.
 */
import type { Meter, Tracer, TracerProvider } from '@opentelemetry/api';

export type OpenTelemetryApi = typeof import('@opentelemetry/api');

export interface OpenTelemetry {
  readonly api: OpenTelemetryApi;
  readonly tracer: Tracer | undefined;
  readonly meter: Meter | undefined;
}

/** The symbol under which all copies of the API, 1.x, share what was registered with one of them. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1');

/** Undefined where no SDK is registered: the SDK must be set up first. */
export async function openOpenTelemetry(version: string): Promise<OpenTelemetry | undefined> {
  const registered = (globalThis as { [REGISTERED]?: { readonly metrics?: unknown } })[REGISTERED];
  if (!registered) return undefined;
  const api = await import('@opentelemetry/api');
  return {
    api,
    tracer: tracerOf(api.trace.getTracerProvider(), version),
    meter: registered.metrics ? api.metrics.getMeter('chord', version) : undefined,
  };
}

/** The API puts a proxy before the SDK's provider, also where there is no SDK. */
function tracerOf(provider: TracerProvider, version: string): Tracer | undefined {
  const standIn = provider as Partial<{ getDelegateTracer(name: string, version: string): Tracer | undefined }>;
  return standIn.getDelegateTracer ? standIn.getDelegateTracer('chord', version) : provider.getTracer('chord', version);
}
