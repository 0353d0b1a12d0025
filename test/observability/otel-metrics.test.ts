/** Metrics through the OpenTelemetry API, with the SDK as its users set it up. It is one for the process: so is this file. */

import { isDeepStrictEqual } from 'node:util';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  METRIC_RPC_SERVER_CALL_DURATION,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from '@opentelemetry/semantic-conventions';
import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, refused, serve } from '../support/chord.js';
import { scrape } from '../support/metrics.js';

const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));

interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

async function collected(): Promise<Map<string, readonly Point[]>> {
  exporter.reset();
  await reader.forceFlush();
  const scopes = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
  return new Map(scopes.flatMap((scope) => scope.metrics).map((each) => [each.descriptor.name, each.dataPoints]));
}

test.serial('every metric of the port for metrics is exported under its name, with the same values', async (t) => {
  const chord = await serve(t, { metricsListen: '127.0.0.1:0', backend: 'lmdb', dataDir: await temporaryDirectory(t) });
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'a', value: { n: 1 } });
  await refused(peer.get({ contextId: 'none' }));
  await chord.cleanup.run();
  await collected(); // the metrics of the last sweep are new now
  const otel = await collected();
  const { families } = await scrape(chord.metricsAddress);
  const ours = [...families.values()].filter(({ name }) => name.startsWith('chord_'));
  t.true(ours.some(({ name }) => name === 'chord_cleanup_last_run_timestamp_seconds'));
  t.true(ours.some(({ name }) => name === 'chord_store_commit_duration_seconds'));
  for (const { samples } of ours) {
    for (const { name, labels, value } of samples.filter((each) => !each.name.endsWith('_bucket'))) {
      const point = otel.get(name)?.find(({ attributes }) => isDeepStrictEqual(attributes, labels));
      t.is(point?.value, value, `${name} ${JSON.stringify(labels)}`);
    }
  }
});

test.serial('the duration of each call is recorded as the conventions say', async (t) => {
  const { address } = await serve(t);
  const peer = connect(t, address);
  const count = async (rpcMethod: string, code: string) => {
    const points = (await collected()).get(METRIC_RPC_SERVER_CALL_DURATION) ?? [];
    const wanted = {
      [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC,
      [ATTR_RPC_METHOD]: rpcMethod,
      [ATTR_RPC_STATUS_CODE]: code,
    };
    const found = points.find(({ attributes }) => isDeepStrictEqual(attributes, wanted));
    return (found?.value as { readonly count: number } | undefined)?.count ?? 0;
  };
  const touched = await count('chord.v1.ContextService/TouchContext', 'OK');
  await peer.set({ contextId: 'a', value: {} });
  await peer.touch({ contextId: 'a' });
  await refused(peer.touch({ contextId: 'none' }));
  t.is(await count('chord.v1.ContextService/TouchContext', 'OK'), touched + 1);
  t.is(await count('chord.v1.ContextService/TouchContext', 'NOT_FOUND'), 1);
});

test.serial('a server that has stopped is observed no more', async (t) => {
  const store = openMemory();
  const health = store.health.bind(store);
  let looks = 0;
  store.health = () => {
    looks++;
    return health();
  };
  const chord = await serve(t, { store });
  const before = looks;
  await collected();
  t.true(looks > before);
  await chord.close();
  const after = looks;
  await collected();
  t.is(looks, after);
});
