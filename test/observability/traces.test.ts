/** Spans of real calls, with the SDK as its users set it up. It is one for the whole process: so is this file. */
import { fileURLToPath } from 'node:url';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import {
  ATTR_ERROR_TYPE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from '@opentelemetry/semantic-conventions';
import test from 'ava';
import { SetContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { openMemory } from '../../src/store/memory.js';
import { connect, refused, serve, watch } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { until } from '../support/until.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';

test.serial('without an SDK there are no spans', async (t) => {
  const chord = await serve(t);
  await connect(t, chord.address).set({ contextId: 'a', value: {} });
  provider.register();
  // What comes too late for a server changes nothing for it.
  await connect(t, chord.address).set({ contextId: 'a', value: {} });
  t.deepEqual(exporter.getFinishedSpans(), []);
});

test.serial('each call is a span below that of its client, and what it does is done within', async (t) => {
  const store = openMemory();
  const commit = store.commit.bind(store);
  store.commit = (what) => {
    return trace.getTracer('test').startActiveSpan('commit', async (span) => {
      const outcome = await commit(what);
      span.end();
      return outcome;
    });
  };
  const { address } = await serve(t, { store });
  const peer = connect(t, address);
  peer.metadata.set('traceparent', `00-${TRACE}-${PARENT}-01`);
  const { position } = await peer.set({ contextId: 'a', value: { n: 1 } });
  const [evaluated, inner, committed, span] = exporter.getFinishedSpans();
  for (const [name, each] of Object.entries({ evaluate: evaluated!, commit: committed! })) {
    t.is(each.name, `chord.${name}`);
    t.is(each.parentSpanContext?.spanId, span!.spanContext().spanId);
    t.deepEqual(each.attributes, { 'chord.context_id': 'a' });
  }
  t.is(span!.name, 'chord.v1.ContextService/SetContext');
  t.is(span!.kind, SpanKind.SERVER);
  t.is(span!.spanContext().traceId, TRACE);
  t.is(span!.parentSpanContext?.spanId, PARENT);
  t.is(span!.status.code, SpanStatusCode.UNSET);
  t.is(inner!.parentSpanContext?.spanId, committed!.spanContext().spanId);
  const { 'network.peer.port': port, ...attributes } = span!.attributes;
  t.deepEqual(attributes, {
    [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC,
    [ATTR_RPC_METHOD]: 'chord.v1.ContextService/SetContext',
    [ATTR_RPC_STATUS_CODE]: 'OK',
    [ATTR_NETWORK_PEER_ADDRESS]: '127.0.0.1',
    'chord.context_id': 'a',
    'chord.position': `${position!.epoch}:1:${position!.digest}`,
  });
  t.true(Number(port) > 0);
});

test.serial('what clients get wrong is no error of the server; what the server cannot do is one', async (t) => {
  exporter.reset();
  const { address, store } = await serve(t, { logLevel: 'silent' });
  const peer = connect(t, address);
  await refused(peer.get({ contextId: 'none' }));
  await store.close();
  await refused(peer.set({ contextId: 'a', value: {} }));
  const [absent, away] = exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.SERVER);
  t.is(absent!.attributes[ATTR_RPC_STATUS_CODE], 'NOT_FOUND');
  t.is(absent!.status.code, SpanStatusCode.UNSET);
  t.is(away!.attributes[ATTR_ERROR_TYPE], 'UNAVAILABLE');
  t.is(away!.status.code, SpanStatusCode.ERROR);
  // Nobody was named: each begins a trace of its own.
  t.is(absent!.parentSpanContext, undefined);
  t.not(absent!.spanContext().traceId, away!.spanContext().traceId);
});

test.serial('writes that wait for a context are evaluated and committed below their own calls', async (t) => {
  const store = openMemory();
  let load = () => {};
  const began = new Promise<void>((resolve) => {
    const { load: read } = store;
    store.load = async (id) => {
      resolve();
      await new Promise<void>((go) => {
        load = go;
      });
      return read.call(store, id);
    };
  });
  const { address } = await serve(t, { store });
  const peer = connect(t, address);
  exporter.reset();
  const writes = ['a', 'b'].map((key) => peer.update({ contextId: 'w', changes: { [key]: 1 }, allowMissing: true }));
  await began;
  await peer.list({}); // on the same connection: both writes have come to the lane
  load();
  await Promise.all(writes);
  const spans = exporter.getFinishedSpans();
  const calls = spans.filter(({ name }) => name.endsWith('UpdateContext'));
  t.is(calls.length, 2);
  for (const call of calls) {
    const below = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === call.spanContext().spanId);
    t.deepEqual(below.map(({ name }) => name).sort(), ['chord.commit', 'chord.evaluate']);
  }
});

test.serial('a batch is one commit; what is read or swept has no spans below', async (t) => {
  let now = 1_790_000_000_000;
  const { address, cleanup } = await serve(t, { clock: () => now });
  const peer = connect(t, address);
  await peer.set({ contextId: 'old', value: {}, ttl: { seconds: 1, nanos: 0 } });
  exporter.reset();
  const set = (contextId: string) => ({ ...SetContextRequest.decode(new Uint8Array()), contextId, value: {} });
  await peer.batch({ writes: ['a', 'b'].map((id) => ({ write: { $case: 'set', value: set(id) } })) });
  await peer.get({ contextId: 'a' });
  now += 60_000;
  await cleanup.run();
  t.is((await refused(peer.get({ contextId: 'old' }))).code, 5);
  t.deepEqual(
    exporter.getFinishedSpans().map(({ name, attributes }) => [name.replace(/.*\//, ''), attributes['chord.writes']]),
    [
      ['chord.commit', 2],
      ['BatchWrite', undefined],
      ['GetContext', undefined],
      ['GetContext', undefined],
    ],
  );
});

test.serial('a watch is a span from its open to its end, and tells what was sent', async (t) => {
  const { address } = await serve(t);
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { n: 1 } });
  const reader = watch(t, peer, { prefix: '' });
  await reader.caughtUp();
  exporter.reset();
  reader.cancel();
  await reader.end();
  const found = () => exporter.getFinishedSpans().find(({ name }) => name.endsWith('WatchContexts'));
  // The server hears of it a moment later than the client.
  await until(async () => {
    await peer.list({});
    return found();
  });
  const span = found()!;
  t.like(span.attributes, { 'chord.targets': 1, 'chord.messages_sent': 2, 'rpc.status_code': 'CANCELLED' });
  t.true(Number(span.attributes['chord.bytes_sent']) > 10);
});

test.serial('a server of the command line traces when a plugin has set up the SDK', async (t) => {
  const plugin = fileURLToPath(new URL('../support/tracing.mjs', import.meta.url));
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory', '--plugin', plugin);
  t.teardown(() => server.end('SIGKILL'));
  await connect(t, server.address).set({ contextId: 'a', value: {} });
  await server.said('span chord.v1.ContextService/SetContext');
  t.is((await server.end('SIGTERM')).code, 0);
});
