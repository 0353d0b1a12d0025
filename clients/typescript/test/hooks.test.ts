/** What a program adds to the client, over a socket: headers, interceptors, endpoints, user agent, spans, logger. */
import { InterceptingCall, type Interceptor, type Metadata, status } from '@grpc/grpc-js';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import test, { type ExecutionContext } from 'ava';
import { contexts, sync } from '../src/grpc.js';
import { type ChordError, type ClientOptions, connect, Replica } from '../src/index.js';
import { spans } from '../src/opentelemetry.js';
import { VERSION } from '../src/version.js';
import * as web from '../src/web.js';
import { startHttpPeer } from './support/http-peer.js';
import { at, caughtUp, connectedTo, end, type Peer, startPeer } from './support/peer.js';
import { catchUncaught } from './support/uncaught.js';

/** No try is too slow, on a busy machine. */
const PATIENT = { deadline: 60_000, retry: { attemptTimeout: 60_000, backoffMin: 1, backoffMax: 4 } };

interface Noting extends Peer {
  readonly headers: Metadata[];
}

/** Keeps the headers. Its first call fails, and its watches end at once. */
async function noting(t: ExecutionContext): Promise<Noting> {
  const headers: Metadata[] = [];
  const peer = await startPeer(t, {
    set: (call, answer) => {
      headers.push((call as unknown as { metadata: Metadata }).metadata);
      if (headers.length === 1) answer({ code: status.UNAVAILABLE, details: 'not now' });
      else answer(null, { position: at(1), changed: true });
    },
    watch: (stream) => {
      headers.push(stream.metadata);
      end(stream, status.PERMISSION_DENIED);
    },
  });
  return { ...peer, headers };
}

test('headers of the client and of a call, and the user agent', async (t) => {
  const peer = await noting(t);
  const client = connectedTo(t, peer, { metadata: { 'X-Tenant': 'a' }, userAgent: 'shop/1.2', token: 't', ...PATIENT });
  await client.set('a', {}, { metadata: { 'x-request': '7' } });
  const watch = client.watch(['a'], { metadata: { 'x-request': '7' } });
  t.is((await t.throwsAsync<ChordError>(watch.next())).reason, 'PERMISSION_DENIED');
  t.is(peer.headers.length, 3, 'two tries and a watch');
  for (const each of peer.headers) {
    const of = (name: string) => String(each.get(name)[0]);
    t.deepEqual([of('x-tenant'), of('x-request'), of('authorization')], ['a', '7', 'Bearer t']);
    t.true(of('user-agent').startsWith(`shop/1.2 chordstate-typescript/${VERSION} grpc-node-js/`), of('user-agent'));
  }
});

test('headers over HTTP', async (t) => {
  const headers: unknown[] = [];
  const address = await startHttpPeer(t, (request, response) => {
    headers.push([request.headers['x-tenant'], request.headers['x-request'], request.headers.authorization]);
    response.writeHead(403).end('{}');
  });
  const client = web.connect(address, { metadata: { 'x-tenant': 'a' }, token: 't', ...PATIENT });
  t.teardown(() => client.close());
  await t.throwsAsync(client.set('a', {}, { metadata: { 'x-request': '7' } }));
  await t.throwsAsync(client.watch(['a'], { metadata: { 'x-request': '7' } }).next());
  t.deepEqual(headers, [
    ['a', '7', 'Bearer t'],
    ['a', '7', 'Bearer t'],
  ]);
});

test('interceptors see each try, and options of the channel win', async (t) => {
  const peer = await noting(t);
  const seen: string[] = [];
  const interceptor: Interceptor = (options, next) => {
    seen.push(options.method_definition.path);
    return new InterceptingCall(next(options));
  };
  const channelOptions = { 'grpc.primary_user_agent': 'mine' };
  const client = connectedTo(t, peer, { interceptors: [interceptor], channelOptions, ...PATIENT });
  await client.set('a', {});
  await t.throwsAsync(client.watch(['a']).next());
  const set = '/chord.v1.ContextService/SetContext';
  t.deepEqual(seen, [set, set, '/chord.v1.SyncService/WatchContexts']);
  t.regex(String(peer.headers[0]?.get('user-agent')), /^mine grpc-node-js/);
});

test('a signal that is aborted before a call, or while its token is fetched, keeps it from being sent', async (t) => {
  const seen: string[] = [];
  const interceptor: Interceptor = (options, next) => {
    seen.push(options.method_definition.path);
    return new InterceptingCall(next(options));
  };
  let onToken = () => {};
  const token = async () => {
    onToken();
    return 't';
  };
  const peer = await startPeer(t, { set: (_, answer) => answer(null, { position: at(1), changed: true }) });
  const client = connectedTo(t, peer, { interceptors: [interceptor], token, ...PATIENT });
  const until = [{ path: ['n'], exists: true }];
  const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => client.set('a', {}, { signal }),
    (signal) => client.update('a', { changes: {} }, { signal }),
    (signal) => client.edit('a', () => {}, { signal }),
    (signal) => client.batch([{ set: 'a', value: {} }], { signal }),
    (signal) => client.get('a', { signal }),
    (signal) => client.delete('a', { signal }),
    (signal) => client.list('', { signal }).next(),
    (signal) => client.sync('a', undefined, { signal }),
    (signal) => client.wait('a', until, { signal }),
    (signal) => client.until('a', () => true, { signal }),
    (signal) => client.call(contexts.getContext, { contextId: 'a' }, { signal }),
    (signal) => client.stream(sync.watchContexts, {}, { signal }).next(),
  ];
  for (const [i, call] of calls.entries()) {
    const reason = async (signal: AbortSignal) => (await t.throwsAsync<ChordError>(call(signal)))?.reason;
    t.is(await reason(AbortSignal.abort()), 'CANCELLED', `call ${i}, aborted before`);
    const controller = new AbortController();
    onToken = () => controller.abort();
    t.is(await reason(controller.signal), 'CANCELLED', `call ${i}, aborted on its way`);
    onToken = () => {};
  }
  t.deepEqual(seen, []);
  await client.set('a', {});
  t.is(seen.length, 1);
});

test('several endpoints take their turns, and the rest goes on where one is away', async (t) => {
  const answered = [0, 0];
  const peers = await Promise.all(
    answered.map((_, i) =>
      startPeer(t, {
        set: (_, answer) => {
          answered[i]!++;
          answer(null, { position: at(1), changed: true });
        },
      }),
    ),
  );
  const client = connectedTo(t, peers[0]!, { endpoints: [peers[1]!.address] });
  while (answered.includes(0)) await client.set('a', {});
  peers[0]!.server.forceShutdown();
  const [before] = answered;
  for (let i = 0; i < 5; i++) await client.set('a', {});
  t.is(answered[0], before);
  const named = t.throws<ChordError>(() => connect('127.0.0.1:1', { endpoints: ['chord.example.com:443'] }));
  t.is(named.violations[0]?.field, 'endpoints');
});

test('spans for each try, whose ids go to the server', async (t) => {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const tracer = provider.getTracer('test');
  const peer = await noting(t);
  const client = connectedTo(t, peer, { interceptors: [spans(tracer)], ...PATIENT });
  const parent = tracer.startSpan('parent');
  await context.with(trace.setSpan(context.active(), parent), () => client.set('a', {}));
  const found = exporter.getFinishedSpans();
  t.deepEqual(
    found.map(({ name, attributes }) => [name, attributes['rpc.status_code']]),
    [
      ['chord.v1.ContextService/SetContext', 'UNAVAILABLE'],
      ['chord.v1.ContextService/SetContext', 'OK'],
    ],
  );
  const [host, port] = peer.address.split(':');
  for (const { attributes } of found) {
    t.like(attributes, { 'server.address': host, 'server.port': Number(port) });
  }
  const { traceId } = parent.spanContext();
  const sent = peer.headers.map((each) => String(each.get('traceparent')[0]).split('-').slice(1, 3));
  t.deepEqual(
    sent,
    found.map((span) => [traceId, span.spanContext().spanId]),
  );
});

test('a logger gets lost connections, and the end of a replica that has no listener before it can be seen', async (t) => {
  const logged: string[] = [];
  const logger: ClientOptions['logger'] = { warn: (message) => logged.push(message.replace(/\d+ ms/, 'N ms')) };
  const peer = await startPeer(t, {
    watch: (stream, opened) => end(stream, opened === 1 ? status.UNAVAILABLE : status.PERMISSION_DENIED),
  });
  const replica = new Replica(connectedTo(t, peer, { logger }), ['a']);
  await t.throwsAsync(replica.ready);
  t.deepEqual(logged, ['a watch lost its connection, and connects again in N ms', 'a replica has ended: away']);
});

test.serial('a listener that throws at the end of a replica finds it ended, and leaves no waiter', async (t) => {
  const uncaught = catchUncaught(t);
  let ends = () => {};
  const peer = await startPeer(t, {
    watch: (stream) => {
      stream.write(caughtUp);
      ends = () => end(stream, status.PERMISSION_DENIED);
    },
  });
  const replica = new Replica(connectedTo(t, peer), ['a']);
  const thrown = new Error('of the program');
  const live: boolean[] = [];
  replica.on('error', () => {
    live.push(replica.live);
    throw thrown;
  });
  await replica.ready;
  const waiting = replica.waitFor('a', () => false);
  ends();
  t.is((await t.throwsAsync<ChordError>(waiting)).reason, 'PERMISSION_DENIED');
  await replica.close();
  t.deepEqual([live, uncaught], [[false], [thrown]]);
});

test('an empty request id is a random one', async (t) => {
  const ids: string[] = [];
  const peer = await startPeer(t, {
    set: (call, answer) => {
      ids.push((call as unknown as { request: { requestId: string } }).request.requestId);
      answer(null, { position: at(1), changed: true });
    },
  });
  const client = connectedTo(t, peer, PATIENT);
  for (const requestId of ['', '', 'mine']) await client.set('a', {}, { requestId });
  t.is(new Set(ids).size, 3);
  t.false(ids.includes(''));
  t.is(ids[2], 'mine');
});
