/**
 * Chord's metrics through the OpenTelemetry API, for an SDK that exports them (OTLP, say): each metric of docs/metrics.md
 * under the same name, read when the SDK collects. Of a histogram there are sum and count, since the API has no histograms
 * that are read; the durations of calls are recorded one by one, as `rpc.server.call.duration`.
 */
import type { BatchObservableResult, Histogram as Instrument, Meter, Observable } from '@opentelemetry/api';
import { Histogram } from '../model/histogram.js';
import type { Family, Labels } from './exposition.js';

/** In seconds, as the RPC conventions advise. */
const CALL_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export function callDurations(meter: Meter): Instrument {
  return meter.createHistogram('rpc.server.call.duration', {
    ...{ unit: 's', description: 'Measures the duration of an incoming Remote Procedure Call (RPC).' },
    advice: { explicitBucketBoundaries: CALL_SECONDS },
  });
}

interface Reading {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  readonly values: Iterable<readonly [Labels, number]>;
}

/** @returns ends it */
export function observeMetrics(meter: Meter, families: () => Iterable<Family>): () => void {
  const instruments = new Map<string, Observable>();
  const callback = (result: BatchObservableResult): void => {
    const before = instruments.size;
    for (const { name, type, help, values } of readings(families())) {
      const instrument = instruments.get(name);
      if (!instrument) {
        // A metric may begin while the server runs, as those of the last sweep do: it is observed from the next time on.
        const create = type === 'counter' ? 'createObservableCounter' : 'createObservableGauge';
        instruments.set(name, meter[create](name, { description: help }));
      } else for (const [labels, value] of values) result.observe(instrument, value, labels);
    }
    if (instruments.size > before) observe();
  };
  let observed: Observable[] = [];
  const observe = () => {
    meter.removeBatchObservableCallback(callback, observed);
    observed = [...instruments.values()];
    meter.addBatchObservableCallback(callback, observed);
  };
  // The first call makes the instruments, and has nothing to observe.
  callback({ observe: () => {} });
  return () => meter.removeBatchObservableCallback(callback, observed);
}

function* readings(families: Iterable<Family>): Generator<Reading> {
  for (const { name, type, help, values } of families) {
    const all = [...values];
    const plain = all.filter((each): each is [Labels, number] => !(each[1] instanceof Histogram));
    if (type !== 'histogram') {
      yield { name, type, help, values: plain };
      continue;
    }
    const histograms = all.filter((each): each is [Labels, Histogram] => each[1] instanceof Histogram);
    const read = (what: 'sum' | 'count') => histograms.map(([labels, each]) => [labels, each[what]] as const);
    yield { name: `${name}_sum`, type: 'counter', help, values: read('sum') };
    yield { name: `${name}_count`, type: 'counter', help, values: read('count') };
  }
}
