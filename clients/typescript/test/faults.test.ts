/** What peers, networks and users do wrong. */
import { once } from 'node:events';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { type ChordError, connect, formatPosition, parsePosition, Replica } from '../src/index.js';
import { at, caughtUp, connectedTo, delta, end, full, heartbeat, type Stream, startPeer } from './support/peer.js';
import { connected, startServer } from './support/server.js';

test('a peer that says a word and ends is asked less and less', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream) => {
      stream.write(heartbeat);
      end(stream);
    },
  });
  const client = connectedTo(t, peer, { retry: { backoffMin: 1, backoffMax: 60_000 } });
  const delays = await new Promise<number[]>((resolve) => {
    const found: number[] = [];
    const watch = client.watch(['a'], { onDisconnect: (_, delay) => found.push(delay) === 8 && resolve(found) });
    watch.next();
  });
  delays.forEach((delay, i) => {
    t.true(delay >= 2 ** i / 2, `${delay} ms after ${i} failures`);
  });
});

test("a watch goes on by delta when its connection dies of other streams' resets", async (t) => {
  const peer = await startPeer(t, {
    watch: (stream, opened) => {
      if (opened === 1) stream.write(full('a', 1, { n: 0 }));
      stream.write(caughtUp);
      if (opened < 9) end(stream, status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)');
      else stream.write(delta('a', 1, 1));
    },
  });
  const types: string[] = [];
  for await (const { type } of connectedTo(t, peer).watch(['a'])) {
    types.push(type);
    if (type === 'delta') break;
  }
  t.is(types.filter((type) => type === 'full').length, 1);
});

test('resets before any message are the network’s, too', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream, opened) => {
      if (opened < 9) end(stream, status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)');
      else stream.write(caughtUp);
    },
  });
  const watch = connectedTo(t, peer).watch(['a']);
  t.is((await watch.next()).value?.type, 'caughtUp');
  await watch.close();
});

test('deadlines beyond 24.8 days', async (t) => {
  const client = connected(t, await startServer(t));
  for (const deadline of [30 * 86_400_000, Number.POSITIVE_INFINITY]) {
    t.is((await client.set('a', {}, { deadline })).position.version, 1);
  }
  const patient = connect(client.address, { retry: { attemptTimeout: 2 ** 40 }, deadline: 2 ** 40 });
  t.is((await patient.get('a')).position.version, 1);
  await patient.close();
});

test('watches leave room for calls, however many there are', async (t) => {
  const peer = await startPeer(
    t,
    { watch: (stream) => stream.write(caughtUp), set: (_, answer) => answer(null, { position: at(1), changed: true }) },
    0,
    { 'grpc.max_concurrent_streams': 100 },
  );
  const client = connectedTo(t, peer, { deadline: 60_000 });
  const watches = Array.from({ length: 250 }, (_, i) => client.watch([`w${i}`]));
  await Promise.all(watches.map((watch) => watch.next()));
  t.true((await client.set('a', {})).changed);
});

test('watches share connections up to their bound, and leave them', async (t) => {
  const peers: string[] = [];
  const streams: Stream[] = [];
  const peer = await startPeer(t, {
    watch: (stream) => {
      peers.push(stream.getPeer());
      streams.push(stream);
      stream.write(caughtUp);
    },
    set: (call, answer) => {
      peers.push(call.getPeer());
      answer(null, { position: at(1), changed: true });
    },
  });
  const client = connectedTo(t, peer, { watchesPerConnection: 2 });
  const watches = [];
  for (const id of ['a', 'b', 'c']) {
    const watch = client.watch([id]);
    watches.push(watch);
    await watch.next();
  }
  await client.set('a', {});
  t.deepEqual(
    peers.map((each) => peers.indexOf(each)),
    [0, 0, 2, 0],
    'the third watch has a connection of its own',
  );
  const gone = once(streams[2]!, 'cancelled');
  await watches[2]!.close();
  await gone;
});

test('calls in flight are bounded, in order, and none is lost', async (t) => {
  let most = 0;
  const answers: (() => void)[] = [];
  let inFlight = 0;
  const peer = await startPeer(t, {
    set: (_, answer) => {
      most = Math.max(most, ++inFlight);
      answers.push(() => {
        inFlight--;
        answer(null, { position: at(1), changed: true });
      });
      setImmediate(() => answers.shift()?.());
    },
  });
  const client = connectedTo(t, peer, { callsInFlight: 7, deadline: 60_000 });
  await Promise.all(Array.from({ length: 500 }, () => client.set('a', {})));
  t.is(most, 7);
});

test('10,000 sets at once: none is lost', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'), { deadline: 600_000 });
  const results = await Promise.allSettled(Array.from({ length: 10_000 }, (_, i) => client.set(`c${i % 500}`, { i })));
  t.is(results.filter(({ status }) => status === 'rejected').length, 0);
});

test('a call that waits for its turn ends with its deadline, its signal and its client', async (t) => {
  const peer = await startPeer(t, { set: () => {} });
  const client = connectedTo(t, peer, { callsInFlight: 1 });
  const reasons = (calls: Promise<unknown>[]) =>
    Promise.all(calls.map((call) => call.then(String, (error: ChordError) => `${error.reason}: ${error.message}`)));
  const first = client.set('a', {});
  const controller = new AbortController();
  const ended = reasons([client.set('a', {}, { deadline: 5 }), client.set('a', {}, { signal: controller.signal })]);
  controller.abort();
  t.deepEqual(await ended, [
    'DEADLINE_EXCEEDED: 1 calls of this client were in flight all the time',
    'CANCELLED: cancelled by its signal',
  ]);
  const rest = reasons([first, client.set('a', {})]);
  await client.close();
  t.deepEqual(await rest, Array(2).fill('CANCELLED: the client is closed'));
});

test('a closed client says so, everywhere and always the same', async (t) => {
  const client = connect('127.0.0.1:1');
  await client.close();
  await client.close();
  const expected = { name: 'ChordError', message: 'the client is closed' };
  await t.throwsAsync(client.get('a'), expected);
  await t.throwsAsync(client.list('').next(), expected);
  t.throws(() => client.watch(['a']), expected);
  t.throws(() => new Replica(client, ['a']), expected);
});

test('using', async (t) => {
  const server = await startServer(t);
  let left: unknown;
  {
    await using client = connect(server.address);
    await using watch = client.watch(['a']);
    await using replica = new Replica(client, ['a']);
    await replica.ready;
    await watch.next();
    left = client;
  }
  await t.throwsAsync((left as ReturnType<typeof connect>).get('a'), { message: 'the client is closed' });
});

test.serial('a replica that ends where nothing listens is a warning of the process', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream) => {
      stream.write(caughtUp);
      end(stream, status.PERMISSION_DENIED, 'no more');
    },
  });
  const warned = once(process, 'warning');
  const replica = new Replica(connectedTo(t, peer), ['a']);
  const [warning] = await warned;
  t.is(warning.message, 'a replica has ended: no more');
  await t.throwsAsync(replica.waitFor('a', at(1)), { message: 'no more' });
});

test('after an outage a watch connects as soon as the channel has', async (t) => {
  const streams: Stream[] = [];
  const watch = (stream: Stream) => {
    streams.push(stream);
    stream.write(caughtUp);
  };
  const peer = await startPeer(t, { watch });
  const port = Number(peer.address.split(':')[1]);
  // The first wait is short, so that the next try finds nothing; the second one would last for ever.
  let lost = 0;
  let waiting = () => {};
  const waits = new Promise<void>((resolve) => {
    waiting = resolve;
  });
  const client = connectedTo(t, peer, { retry: { backoffMin: 3_600_000, backoffMax: 3_600_000 } });
  peer.server.forceShutdown();
  const events = client.watch(['a'], { onDisconnect: () => ++lost === 1 && waiting() });
  const next = events.next();
  await waits;
  await startPeer(t, { watch }, port);
  t.is((await next).value?.type, 'caughtUp');
  t.is(lost, 1);
  await events.close();
});

test("a user's mistake is named before anything is sent", async (t) => {
  const client = connect('127.0.0.1:1');
  t.teardown(() => client.close());
  const half = '\ud800';
  let deep: object = {};
  for (let i = 0; i < 32; i++) deep = { a: deep };
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  const field = async (call: Promise<unknown>) => {
    const error = await t.throwsAsync<ChordError>(call);
    t.is(error?.reason, 'INVALID_ARGUMENT');
    return error?.violations[0]?.field;
  };
  const set = (value: object) => field(client.set('a', value as never));
  t.is(await set({ l: [1, { 'a.b': Number.NaN }] }), 'value.l[1]["a.b"]');
  t.is(await set({ a: { b: Number.POSITIVE_INFINITY } }), 'value.a.b');
  t.is(await set({ s: half }), 'value.s');
  t.is(await set({ a: { [half]: 1 } }), 'value.a["\\ud800"]');
  t.is(await set({ n: 1n }), 'value.n');
  t.is(await set({ a: { d: new Date() } }), 'value.a.d');
  t.is(await set({ l: [0, undefined] }), 'value.l[1]');
  t.is(await set(deep), `value${'.a'.repeat(32)}`);
  t.is(await set(cyclic), `value${'.self'.repeat(32)}`);
  t.is(await field(client.update('a', { changes: { c: [half] } })), 'changes.c[0]');
  const { NaN: nan } = Number;
  const update = (mutation: object) =>
    field(client.update('a', { mutations: [{ path: ['p'], ...mutation } as never] }));
  t.is(await update({ set: { n: nan } }), 'mutations[0].set.n');
  t.is(await update({ append: [0, nan] }), 'mutations[0].append[1]');
  t.is(await update({ splice: { index: 0, removeCount: 0, insert: [nan] } }), 'mutations[0].splice.insert[0]');
  t.is(await update({ increment: nan }), 'mutations[0].increment');
  t.is(await update({ path: ['x', half], remove: true }), 'mutations[0].path[1]');
  t.is(await field(client.get(half)), 'context_id');
  t.is(await field(client.list(half).next()), 'prefix');
  t.is(t.throws<ChordError>(() => client.watch(['a', { prefix: half }]))?.violations[0]?.field, 'targets[1]');
});

test('positions as text', (t) => {
  const position = { epoch: 'Xk29fQ1z', version: 7, digest: '0aY7rB2c' };
  t.is(formatPosition(position), 'Xk29fQ1z:7:0aY7rB2c');
  t.deepEqual(parsePosition(formatPosition(position)), position);
  t.deepEqual(parsePosition('7'), { epoch: '', version: 7, digest: '' });
  t.is(formatPosition(parsePosition('7')), '7');
  for (const text of ['', 'a:7', '7:a', 'a:b:c', 'a:7:b:', ':7:', '-1', '1e3', 'a: 7:b']) {
    t.is(t.throws<ChordError>(() => parsePosition(text))?.reason, 'INVALID_ARGUMENT', text);
  }
});

test('a wait that is cancelled in the moment of its begin does not stay open in the server', async (t) => {
  let open = 0;
  const peer = await startPeer(t, {
    wait: (_answer, _asked, call) => {
      open++;
      call.on('cancelled', () => open--);
    },
    set: (_, answer) => answer(null, { position: at(1) }),
  });
  const client = connectedTo(t, peer);
  await client.set('a', {});
  for (let turns = 0; turns < 20; turns++) {
    const closing = new AbortController();
    const refused = t.throwsAsync(client.wait('a', [{ path: ['n'], exists: true }], { signal: closing.signal }));
    for (let i = 0; i < turns; i++) await undefined;
    closing.abort();
    await refused;
    await new Promise((resolve) => setImmediate(resolve));
    await client.set('a', {}); // what was sent before it has arrived
    await client.set('a', {});
    t.is(open, 0, `cancelled after ${turns} microtasks`);
  }
});
