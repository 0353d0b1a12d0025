/** What callers can do before anybody knows who they are, and with requests that do not come, or cost more than they seem. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect as connectTo, type Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Client } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { service as HealthService } from 'grpc-health-check';
import { ContextServiceService } from '../../src/gen/chord/v1/context_service.js';
import { SyncServiceService } from '../../src/gen/chord/v1/sync_service.js';
import { BOUNDS } from '../../src/grpc/codec/field-limits.js';
import { decodeRequest } from '../../src/grpc/codec/request-decoding.js';
import { type Unfinished, UnfinishedCalls } from '../../src/grpc/incomplete-requests.js';
import { ALL, folder, guarded } from '../support/access.js';
import { bytesOf, connect, refused, serve, watch } from '../support/chord.js';
import { dial, framed, open } from '../support/raw.js';
import { until } from '../support/until.js';

const [OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAUTHENTICATED] = ['0', '3', '4', '8', '16'];
const MIB = 2 ** 20;
const WATCH = SyncServiceService.watchContexts.path;
const GET = ContextServiceService.getContext.path;

function silent(t: ExecutionContext, address: string): { socket: Socket; ended: Promise<unknown> } {
  const at = address.lastIndexOf(':');
  const socket = connectTo(Number(address.slice(at + 1)), address.slice(0, at));
  socket.on('error', () => {}).resume();
  t.teardown(() => socket.destroy());
  return { socket, ended: new Promise((resolve) => socket.once('close', resolve)) };
}

test('a caller without a token is refused by its headers alone, and what it still sends is not waited for', async (t) => {
  const { chord } = await guarded(t, { ann: { '': ALL } });
  const session = dial(t, chord.address);
  const calls = [WATCH, GET].map((path) => open(session, path, { authorization: 'Bearer nonsense' }));
  for (const { stream, status, closed } of calls) {
    t.is(await status, UNAUTHENTICATED);
    await closed;
    t.is(stream.rstCode, 0);
  }
});

test('a stranger is answered in the middle of its request', async (t) => {
  const { chord } = await guarded(t, { ann: { '': ALL } });
  const session = dial(t, chord.address);
  const half = framed(Buffer.alloc(4 * MIB)).subarray(0, 3 * MIB);
  const calls = Array.from({ length: 20 }, () => open(session, WATCH));
  for (const { stream } of calls) stream.write(half);
  for (const { status } of calls) t.is(await status, UNAUTHENTICATED);
});

test('repeated fields are counted before a request is decoded', async (t) => {
  const empty = (count: number) => Buffer.alloc(2 * count, Buffer.from([0x0a, 0x00]));
  const refusal = (method: string, bytes: Uint8Array): unknown => {
    const decode = decodeRequest(() => t.fail(`${method}: it was decoded`) as never, BOUNDS[method]);
    return t.throws(() => decode(Buffer.from(bytes)));
  };
  const found = refusal('WatchContexts', empty(2_000_000));
  t.like(found, { reason: 'INVALID_ARGUMENT', details: { violations: [{ field: 'subscriptions' }] } });
  // What is no list, but comes again and again, is as dear.
  t.like(refusal('SyncContext', Buffer.alloc(MIB, Buffer.from([0x12, 0x00]))), { reason: 'INVALID_ARGUMENT' });
  const cases: [string, Uint8Array, string][] = [
    [
      'WatchContexts',
      inside(1, inside(4, Buffer.alloc(3 * 2000, Buffer.from([0x0a, 0x01, 0x61])))),
      'subscriptions[0].paths[0].keys',
    ],
    ['WatchContexts', inside(1, Buffer.alloc(4 * MIB - 100, Buffer.from([0x1a, 0x00]))), 'subscriptions[0].known'],
    [
      'WatchContexts',
      Buffer.concat(Array.from({ length: 101 }, () => inside(1, Buffer.alloc(2000, Buffer.from([0x22, 0x00]))))),
      'subscriptions[100].paths',
    ],
    ['UpdateContext', Buffer.alloc(10_000, Buffer.from([0x1a, 0x00])), 'mutations'],
    ['BatchWrite', inside(1, inside(2, Buffer.alloc(10_000, Buffer.from([0x1a, 0x00])))), 'writes[0].update.mutations'],
    ['SyncContext', Buffer.alloc(10_000, Buffer.from([0x2a, 0x00])), 'paths'],
  ];
  for (const [method, bytes, field] of cases) {
    t.like(refusal(method, bytes), { reason: 'INVALID_ARGUMENT', details: { violations: [{ field }] } }, field);
  }

  const { address } = await serve(t);
  const { stream, status } = open(dial(t, address), WATCH);
  stream.end(framed(empty(2_000_000)));
  t.is(await status, INVALID_ARGUMENT);
});

/** A field with a length. */
function inside(field: number, bytes: Uint8Array): Buffer {
  const length = [];
  for (let rest = bytes.length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) {
      length.push(rest);
      break;
    }
    length.push((rest % 128) | 128);
  }
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), bytes]);
}

test('what is packed tighter than any document is refused while it is unpacked', async (t) => {
  const { address } = await serve(t);
  const session = dial(t, address);
  const packed = async (bytes: Uint8Array) => {
    const { stream, status } = open(session, GET, { 'grpc-encoding': 'gzip' });
    stream.end(framed(gzipSync(bytes), true));
    return status;
  };
  t.is(await packed(Buffer.alloc(4 * MIB, Buffer.from([0x12, 0x00]))), RESOURCE_EXHAUSTED);
  t.is(await packed(Buffer.alloc(64 * 1024, Buffer.from([0x10, 0x00]))), INVALID_ARGUMENT, 'small ones are unpacked');
  const { stream, status } = open(session, GET, { 'grpc-encoding': 'gzip' });
  stream.end(framed(Buffer.from('no gzip'), true));
  t.is(await status, INVALID_ARGUMENT);
});

test('a request that does not come whole ends its call', async (t) => {
  const { address } = await serve(t, { requestTimeout: 1000 });
  const session = dial(t, address);
  const nothing = open(session, WATCH);
  const half = open(session, GET);
  half.stream.write(framed(Buffer.alloc(1000)).subarray(0, 500));
  const unended = open(session, GET);
  unended.stream.write(framed(bytesOf(ContextServiceService.getContext, { contextId: 'a' })));
  const asked = open(session, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo');
  for (const { status, closed } of [nothing, half, unended, asked]) {
    t.is(await status, DEADLINE_EXCEEDED);
    await closed;
  }
  const reader = watch(t, connect(t, address), { id: 'a' });
  await reader.caughtUp();
});

test('a request that has come whole and waits for its turn to be decoded is not late', async (t) => {
  const calls = new UnfinishedCalls({ requestTimeout: 1, maxCalls: 3, maxBytes: 1000 });
  t.teardown(() => calls.close());
  // Its timer does not keep the process.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  const call = { waits: true, held: 1, complete: true, settle: () => {}, fail: () => t.fail('it was ended') };
  calls.begin(call);
  const late = new Promise((fail) => calls.begin({ waits: true, held: 1, settle: () => {}, fail }));
  t.like(await late, { reason: 'DEADLINE_EXCEEDED' });
  t.is(calls.size, 1);
});

test('of requests that are too many or too large together the oldest go', async (t) => {
  const calls = new UnfinishedCalls({ requestTimeout: 0, maxCalls: 3, maxBytes: 1000 });
  t.teardown(() => calls.close());
  const failed: string[] = [];
  const begin = (name: string, held: number) => {
    const call = { waits: true, held, settle: () => {}, fail: () => void failed.push(name) };
    calls.begin(call satisfies Unfinished);
    return call;
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  begin('done at once', 5000).waits = false;
  const first = begin('first', 100);
  begin('second', 100);
  await turn();
  t.deepEqual([calls.size, calls.bytes], [2, 200]);
  begin('third', 100);
  begin('fourth', 100);
  await turn();
  t.deepEqual(failed, ['first']);
  calls.end(first);
  const fifth = begin('fifth', 0);
  await turn();
  t.deepEqual(failed, ['first', 'second']);
  fifth.held = 900;
  calls.grow(fifth);
  t.deepEqual(failed, ['first', 'second', 'third']);
  t.deepEqual([calls.size, calls.bytes], [2, 1000]);
});

test('a connection on which nobody shows who it is ends; others stay', async (t) => {
  const { chord, as, tokens } = await guarded(t, { ann: { '': ALL } }, { identifyTimeout: 1000 });
  const ann = as(tokens.ann);
  await ann.set({ contextId: 'a', value: {} });
  const closed = new Promise((resolve) => ann.client.getChannel().watchConnectivityState(2, Infinity, resolve));
  const healthy = connect(t, chord.address);
  const words = watchHealth(healthy.client, '');
  t.is(await words.next(), 'SERVING');
  const refusing = dial(t, chord.address);
  t.is(await open(refusing, GET, { authorization: 'Bearer nonsense' }).status, UNAUTHENTICATED);
  await Promise.all([silent(t, chord.address).ended, once(refusing, 'close')]);
  // Later than these: both would be gone.
  await silent(t, chord.address).ended;
  await ann.get({ contextId: 'a' });
  t.is(await Promise.race([closed, Promise.resolve('open')]), 'open');
  t.false(words.ended);
});

test('with too many connections strangers go, the oldest first; those that are known keep their room', async (t) => {
  // Each worker has its share of the limit, and knows the age of its own connections only.
  const { chord, as, tokens } = await guarded(t, { ann: { '': ALL } }, { maxConnections: 4, workers: 0 });
  const ann = as(tokens.ann);
  const reader = watch(t, ann, { id: 'a' });
  await reader.caughtUp();
  const strangers = [];
  for (let n = 0; n < 3; n++) {
    strangers.push(silent(t, chord.address));
    await once(strangers[n]!.socket, 'connect');
  }
  const other = as(tokens.ann);
  await other.set({ contextId: 'a', value: { n: 1 } });
  await strangers[0]!.ended;
  t.false(strangers[2]!.socket.destroyed);
  for (let n = 0; n < 50; n++) await once(silent(t, chord.address).socket, 'connect');
  await other.set({ contextId: 'a', value: { n: 2 } });
  await reader.until(() => reader.copies.get('a')?.value.n === 2);
});

test('an address has only so many connections', async (t) => {
  const { address } = await serve(t, { maxConnectionsPerAddress: 2 });
  const peers = [connect(t, address), connect(t, address)];
  for (const peer of peers) await peer.set({ contextId: 'a', value: {} });
  await silent(t, address).ended;
  for (const peer of peers) t.truthy((await peer.get({ contextId: 'a' })).context);
});

/** What a watch of the health says, word by word. */
function watchHealth(client: Client, service: string) {
  const { path, requestSerialize, responseDeserialize } = HealthService.Watch!;
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service });
  const words: string[] = [];
  let code: number | undefined;
  let changed = () => {};
  call.on('data', ({ status }: { status: string }) => {
    words.push(status);
    changed();
  });
  call.on('error', (error) => {
    ({ code } = error as unknown as { code: number });
    changed();
  });
  const next = async (): Promise<string> => {
    while (words.length === 0 && code === undefined) await new Promise<void>((resolve) => (changed = resolve));
    return words.shift() ?? `${code}`;
  };
  return {
    next,
    get ended() {
      return code !== undefined;
    },
    cancel: () => call.cancel(),
  };
}

test('watches of the health are few, small, and keep nothing of names that are not known', async (t) => {
  const { address } = await serve(t);
  const { client } = connect(t, address);
  t.is(await watchHealth(client, 'x'.repeat(5000)).next(), RESOURCE_EXHAUSTED);
  const open = Array.from({ length: 10 }, (_, n) => watchHealth(client, n === 0 ? '' : `other.Service${n}`));
  t.deepEqual(await Promise.all(open.map((each) => each.next())), ['SERVING', ...Array(9).fill('SERVICE_UNKNOWN')]);
  t.is(await watchHealth(client, '').next(), RESOURCE_EXHAUSTED);
  open[3]!.cancel();
  t.is(await open[3]!.next(), '1');
  const word = await untilLetIn(client);
  t.is(word, 'SERVING');
});

/** The server hears of a cancel in its own time. */
async function untilLetIn(client: Client): Promise<string> {
  let word = '';
  await until(async () => {
    word = await watchHealth(client, '').next();
    return word !== RESOURCE_EXHAUSTED;
  }, 'a watch of the health that is let in');
  return word;
}

test('health says so when the event loop is late for long, and when it is not any more', async (t) => {
  const { address } = await serve(t, { maxEventLoopDelay: 100 });
  const words = watchHealth(connect(t, address).client, '');
  t.is(await words.next(), 'SERVING');
  let busy = true;
  const work = () => {
    for (const end = performance.now() + 250; performance.now() < end; );
    if (busy) setImmediate(work);
  };
  work();
  t.is(await words.next(), 'NOT_SERVING');
  busy = false;
  t.is(await words.next(), 'SERVING');
});

test('a deadline further away than a timer can run is none that has passed', async (t) => {
  const { address } = await serve(t);
  const session = dial(t, address);
  for (const timeout of ['1000H', '99999999H', '40000M', '99999999S', '99999999m', '5H']) {
    const { stream, status } = open(session, ContextServiceService.setContext.path, { 'grpc-timeout': timeout });
    stream.end(framed(bytesOf(ContextServiceService.setContext, { contextId: 'a', value: {} })));
    t.is(await status, OK, timeout);
  }
});

test('who floods the audit log with refusals hides nothing of what others do', async (t) => {
  const auditLog = join(await folder(t), 'audit.log');
  const { chord, as, tokens } = await guarded(t, { ann: { '': ALL }, bob: { 'bob/': ['read'] } }, { auditLog });
  const stranger = as('nonsense');
  const bob = as(tokens.bob);
  const flood = Array.from({ length: 400 }, () => refused(stranger.get({ contextId: 'a' })));
  await Promise.all(flood);
  await refused(bob.get({ contextId: 'secret' }));
  await chord.close();
  const entries = (await readFile(auditLog, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const probes = entries.filter(({ identity, outcome }) => identity === 'bob' && outcome === 'PERMISSION_DENIED');
  t.deepEqual(
    probes.map(({ contextId }) => contextId),
    ['secret'],
  );
  const counted = entries.filter((entry) => 'refused' in entry);
  t.true(counted.length > 0 && counted.every(({ address }) => address === '127.0.0.1'), JSON.stringify(counted));
});

test('the refusal of a message of any size says why', async (t) => {
  const { address } = await serve(t);
  const found = await refused(connect(t, address).raw(ContextServiceService.setContext, Buffer.alloc(20 * MIB)));
  t.like(found, { code: 8, reason: 'RESOURCE_EXHAUSTED' });
  t.regex(found.message, /20971520 bytes, at most 4194304/);
});
