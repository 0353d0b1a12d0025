/** The entry for browsers, with the `fetch` of Node. In a browser: test/browser. What all clients must do is in the conformance suite. */
import type { ServerResponse } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { Envelopes, envelope } from '../src/connect-protocol.js';
import { ChordError, type Client, type ClientOptions, connect, Replica, type WatchEvent } from '../src/web.js';
import { endStream, refuse, startHttpPeer, stream } from './support/http-peer.js';
import { caughtUp, delta, full, heartbeat } from './support/peer.js';
import { type Server, startServer } from './support/server.js';

const WEB = ['--web-listen', '127.0.0.1:0'];
const quick = { attempts: 100_000, backoffMin: 1, backoffMax: 4 };

function opened(t: ExecutionContext, address: string, options?: ClientOptions): Client {
  const client = connect(address, options);
  t.teardown(() => client.close());
  return client;
}

async function served(t: ExecutionContext): Promise<{ server: Server; client: Client }> {
  const server = await startServer(t, ...WEB);
  return { server, client: opened(t, server.webAddress, { retry: quick }) };
}

async function refusal(call: Promise<unknown>): Promise<ChordError> {
  return call.then(
    () => new ChordError('OK', 'no error', 0),
    (error) => error,
  );
}

test('calls, conditions, edits, waits, presences, and errors with all their details', async (t) => {
  const { client } = await served(t);
  const { position } = await client.set('room:1', { topic: 'daily', seats: 1 });
  await client.edit('room:1', (room) => {
    room.seats++;
  });
  t.deepEqual((await client.get('room:1')).value, { topic: 'daily', seats: 2 });
  const moved = await refusal(client.set('room:1', {}, { expected: { position } }));
  t.like(moved, { reason: 'ABORTED', code: 10, contextId: 'room:1', current: { version: 2 } });
  const unmet = await refusal(client.update('room:1', {}, { checks: [{ path: ['seats'], atLeast: 3 }] }));
  t.like(unmet.unmet, { conditions: [{ path: ['seats'], check: { path: ['seats'], atLeast: 3 } }] });
  const invalid = await refusal(client.get(''));
  t.deepEqual([invalid.reason, invalid.violations[0]?.field], ['INVALID_ARGUMENT', 'context_id']);
  t.is((await refusal(client.get('none'))).reason, 'NOT_FOUND');
  const waiting = client.wait('job:7', [{ path: ['status'], equals: 'ready' }], { deadline: 60_000 });
  await client.set('job:7', { status: 'ready' });
  t.is((await waiting).heldAt, 1);
  const never = client.wait('job:8', [{ path: ['status'], exists: true }], { deadline: 10 });
  t.is((await refusal(never)).reason, 'DEADLINE_EXCEEDED');
  const presence = await client.presence('room:1', ['members', 'ann'], true, 60_000);
  t.like((await client.get('room:1')).value, { members: { ann: true } });
  await presence.close();
  t.like((await client.get('room:1')).value, { members: {} });
});

test('over a killed server a watch and a replica go on by deltas', async (t) => {
  const { server, client } = await served(t);
  await client.set('a', { n: 1, rest: 'long enough that a delta is smaller than the document' });
  const events: WatchEvent[] = [];
  const watch = client.watch(['a']);
  const next = async () => {
    const { value } = await watch.next();
    events.push(value!);
    return value!.type;
  };
  t.deepEqual([await next(), await next()], ['full', 'caughtUp']);
  const replica = new Replica(client, [{ prefix: '' }]);
  const seen: unknown[] = [];
  await replica.ready;
  replica.on('change', ({ changes }) => seen.push(changes));
  replica.once('disconnect', () => seen.push('disconnect'));
  await server.stop('SIGKILL');
  const written = client.update('a', { changes: { n: 2 } }, { deadline: 60_000 });
  await server.start();
  const { position } = await written;
  while ((await next()) !== 'delta');
  t.deepEqual(await replica.waitFor('a', position), replica.get('a'));
  t.true(replica.live || seen.includes('disconnect'));
  const change = [{ action: 'modified', path: ['n'], value: 2 }];
  t.deepEqual(seen, ['disconnect', change]);
  t.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'caughtUp'),
    ['full', 'delta'],
    'no document again',
  );
  t.like(events.at(-1), { from: { version: 1 }, to: position, changes: change });
});

test('close ends a read that waits; so do the signal, the client, and leaving the loop', async (t) => {
  const { client } = await served(t);
  const controller = new AbortController();
  const waiting = [client.watch(['a']), client.watch(['a'], { signal: controller.signal }), client.watch(['a'])];
  for (const watch of waiting)
    for await (const { type } of { [Symbol.asyncIterator]: () => kept(watch) }) if (type === 'caughtUp') break;
  const reads = waiting.map((watch) => watch.next());
  await waiting[0]!.close();
  controller.abort();
  for await (const { type } of client.watch(['a'])) if (type === 'caughtUp') break;
  const call = client.wait('a', [{ path: ['n'], exists: true }]);
  await client.close();
  t.deepEqual(await Promise.all(reads), Array(3).fill({ done: true, value: undefined }));
  t.like(await refusal(call), { reason: 'CANCELLED', message: 'the client is closed' });
  t.like(await refusal(client.get('a')), { reason: 'CANCELLED', message: 'the client is closed' });
});

/** The same iterator; leaving a loop over it does not end it. */
function kept<T>(items: AsyncIterator<T, unknown, undefined>): AsyncIterator<T> {
  return { next: () => items.next() as Promise<IteratorResult<T>> };
}

test('a token may be missing for a while, and expire under a stream that is open', async (t) => {
  const tokens: (string | undefined)[] = [];
  const address = await startHttpPeer(t, (request, response, asked) => {
    tokens.push(request.headers.authorization);
    const expired = { code: 'unauthenticated', message: 'expired' };
    if (asked > 1) return refuse(response, 401, expired);
    stream(response, heartbeat);
    endStream(response, expired);
  });
  let asked = 0;
  const token = async () => {
    if (++asked === 2) throw new Error('asleep');
    return String(asked);
  };
  const client = opened(t, address, { token, retry: quick });
  const error = await refusal(client.watch(['a']).next());
  t.deepEqual([error.reason, error.message], ['UNAUTHENTICATED', 'expired']);
  t.deepEqual(tokens, ['Bearer 1', 'Bearer 3', 'Bearer 4'], 'asked once more, then final');
});

test('a stream that is silent, broken off, compressed or none at all is replaced, from where the copy stands', async (t) => {
  const answers: ((response: ServerResponse) => void)[] = [
    (response) => stream(response, full('a', 1, { n: 1 }), caughtUp), // and no heartbeat
    (response) => {
      stream(response, delta('a', 1, 2));
      response.end();
    },
    (response) => {
      stream(response);
      response.end(Uint8Array.of(1, 0, 0, 0, 1, 0));
    },
    (response) => refuse(response, 502, '<h1>Bad gateway</h1>'),
    (response) => refuse(response, 200, '<h1>Welcome</h1>'),
    (response) => {
      stream(response, delta('a', 2, 3));
      response.end();
    },
    (response) => stream(response, delta('a', 3, 4)),
  ];
  const address = await startHttpPeer(t, (_, response, asked) => {
    answers[Math.min(asked, answers.length) - 1]!(response);
  });
  const failures: string[] = [];
  const onDisconnect = ({ message }: ChordError) => failures.push(message);
  const client = opened(t, address, { retry: quick });
  const values: unknown[] = [];
  // The peer sends no heartbeats: a stream counts as silent after twice their time.
  const watch = client.watch(['a'], { heartbeatInterval: 1500, onDisconnect });
  for await (const event of watch) {
    values.push(event.type === 'delta' ? event.to.version : event.type);
    if (event.type === 'delta' && event.to.version === 4) break;
  }
  t.deepEqual(values, ['full', 'caughtUp', 2, 3, 4]);
  t.deepEqual(failures, [
    'the stream is silent',
    'the stream broke off',
    'the stream is compressed, unasked',
    'HTTP 502: <h1>Bad gateway</h1>',
    'HTTP 200: <h1>Welcome</h1>',
    'the stream broke off',
  ]);
});

test('a redirection is not followed: it would carry the token elsewhere', async (t) => {
  let stolen: string | undefined;
  const thief = await startHttpPeer(t, (request, response) => {
    stolen = request.headers.authorization;
    response.end();
  });
  const address = await startHttpPeer(t, (_, response) => void response.writeHead(307, { location: thief }).end());
  const client = opened(t, address, { token: 'secret', retry: { attempts: 1 } });
  t.is((await refusal(client.get('a'))).reason, 'UNAVAILABLE');
  t.is(stolen, undefined);
});

test('errors that no server of Chord sends: each member may be of any type', async (t) => {
  const bodies: [number, object | string, string, string][] = [
    [
      500,
      { code: 'internal', message: 7, details: [null, 7, { type: 'x' }, { type: 'x', value: '%' }] },
      'INTERNAL',
      '',
    ],
    [500, { code: 'no_such_code', message: 'm' }, 'UNKNOWN', 'm'],
    [403, 'null', 'PERMISSION_DENIED', 'HTTP 403: null'],
    [418, '', 'UNKNOWN', 'HTTP 418'],
    [404, '[]', 'UNIMPLEMENTED', 'HTTP 404: []'],
  ];
  const address = await startHttpPeer(t, (_, response, asked) => {
    const [code, body] = bodies[asked - 1]!;
    refuse(response, code, body);
  });
  const client = opened(t, address, { retry: { attempts: 1 } });
  for (const [, , reason, message] of bodies) t.like(await refusal(client.get('a')), { reason, message });
});

test('a call that gets no answer ends with its deadline, and with its signal', async (t) => {
  const controller = new AbortController();
  let timeout = 0;
  const address = await startHttpPeer(t, ({ headers }) => {
    timeout = Number(headers['connect-timeout-ms']);
    controller.abort();
  });
  const client = opened(t, address, { retry: { attempts: 1, attemptTimeout: 60_000 } });
  t.is((await refusal(client.get('a', { deadline: 120_000, signal: controller.signal }))).reason, 'CANCELLED');
  t.true(timeout > 10_000 && timeout <= 60_000, 'the server knows of the deadline of the try');
  t.is((await refusal(client.get('a', { deadline: 20 }))).reason, 'DEADLINE_EXCEEDED');
});

test('the messages of a stream do not depend on its chunks', (t) => {
  const messages = [[], [1], Array(300).fill(7), []].map((bytes) => Uint8Array.from(bytes));
  const bytes = Buffer.concat(messages.map(envelope));
  for (const size of [1, 2, 3, 4, 5, 6, 7, 299, bytes.length]) {
    const envelopes = new Envelopes();
    const taken: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += size) taken.push(...envelopes.take(bytes.subarray(at, at + size)));
    t.deepEqual(
      taken.map((each) => [...each]),
      messages.map((each) => [...each]),
      `in chunks of ${size}`,
    );
  }
});
