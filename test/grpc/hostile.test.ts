/** Requests that no honest client sends: each gets a clear refusal, and the server keeps serving. */
import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import test, { type ExecutionContext } from 'ava';
import { ContextServiceService } from '../../src/gen/chord/v1/context_service.js';
import type { Mutation } from '../../src/gen/chord/v1/model.js';
import { type Subscription, SyncServiceService } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject } from '../../src/model/model.js';
import { bytesOf, connect, Peer, type Refusal, refusal, refused, serve, watch } from '../support/chord.js';

const OK = 0;
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const MIB = 2 ** 20;
const BAD_UTF8 = Uint8Array.of(0x61, 0xff, 0xfe);

interface Target {
  readonly peer: Peer;
  readonly address: string;
  /** Refused as INVALID_ARGUMENT with rich details, at this field. */
  readonly invalid: (call: Promise<unknown>, field: string | RegExp, message?: RegExp) => Promise<Refusal>;
}

/** A server; after the test it must still do what it does. */
async function start(t: ExecutionContext): Promise<Target> {
  const { address } = await serve(t);
  const peer = connect(t, address);
  t.teardown(async () => {
    const other = new Peer(address);
    await other.set({ contextId: 'still there', value: { yes: true } });
    if ((await other.document('still there')).yes !== true) throw new Error('the server does not serve any more');
    other.client.close();
  });
  const invalid: Target['invalid'] = async (call, field, message = /./) => {
    const found = await refused(call);
    const at = found.fields.join();
    t.like(found, { code: INVALID_ARGUMENT, reason: 'INVALID_ARGUMENT' });
    t.true(typeof field === 'string' ? at === field : field.test(at), `${found.message}, at ${at}`);
    t.regex(found.message, message);
    return found;
  };
  return { peer, address, invalid };
}

const { setContext, updateContext, getContext, listContexts } = ContextServiceService;

/** A length-delimited field. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return new BinaryWriter()
    .uint32((number << 3) | 2)
    .bytes(bytes)
    .finish();
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

function setBytes(value: Uint8Array): Uint8Array {
  return joined(field(1, Buffer.from('a')), field(2, value));
}

/** Struct { key: value }, with the value's bytes as they are. */
function member(key: Uint8Array, value: Uint8Array): Uint8Array {
  return field(1, joined(field(1, key), field(2, value)));
}

function number(value: number): Uint8Array {
  return new BinaryWriter()
    .uint32((2 << 3) | 1)
    .double(value)
    .finish();
}

const KEY = Buffer.from('k');

test('messages over 4 MiB', async (t) => {
  const { peer } = await start(t);
  const bytes = setBytes(member(KEY, field(3, new Uint8Array(4 * MIB))));
  t.like(await refused(peer.raw(setContext, bytes)), { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
  const larger = setBytes(member(KEY, field(3, new Uint8Array(6 * MIB))));
  t.like(await refused(peer.raw(setContext, larger)), { code: RESOURCE_EXHAUSTED });
  const exactly = setBytes(member(KEY, field(3, Buffer.alloc(4 * MIB - 100, 'x'))));
  t.like(await refused(peer.raw(setContext, exactly)), { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
});

test('a small message that unpacks to a large one', async (t) => {
  const { address } = await start(t);
  const bomb = gzipSync(Buffer.alloc(256 * MIB));
  t.true(bomb.length < MIB);
  t.is(
    await rawStatus(t, address, setContext.path, frame(bomb, true), { 'grpc-encoding': 'gzip' }),
    RESOURCE_EXHAUSTED,
  );
});

test('a message that says it is packed, without an encoding', async (t) => {
  const { address } = await start(t);
  const message = setBytes(member(KEY, number(1)));
  t.is(await rawStatus(t, address, setContext.path, frame(message)), OK);
  for (const headers of [{}, { 'grpc-encoding': 'identity' }] as Record<string, string>[]) {
    t.is(await rawStatus(t, address, setContext.path, frame(message, true), headers), INTERNAL);
  }
  t.is(await rawStatus(t, address, setContext.path, frame(message, true), { 'grpc-encoding': 'zip' }), UNIMPLEMENTED);
});

test('documents that grow over the limit by updates', async (t) => {
  const { peer } = await start(t);
  let grown = 0;
  const grow = () =>
    peer.update({ contextId: 'a', changes: { [`f${++grown}`]: 'x'.repeat(MIB / 2) }, allowMissing: true });
  for (let i = 0; i < 5; i++) await grow();
  const found = await refused(grow());
  t.like(found, { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
  t.deepEqual(Object.keys(await peer.document('a')), ['f1', 'f2', 'f3', 'f4', 'f5']);
  await peer.update({ contextId: 'a', mutations: [{ path: ['f1'], operation: { $case: 'remove', value: true } }] });
  await grow();
});

test('nesting 10,000 deep, and one level too deep', async (t) => {
  const { peer, invalid } = await start(t);
  for (const kind of [5, 6]) {
    let value: Uint8Array = number(1);
    for (let depth = 0; depth < 10_000; depth++) {
      value = field(kind, kind === 5 ? member(KEY, value) : field(1, value));
    }
    await invalid(peer.raw(setContext, setBytes(member(KEY, value))), 'value', /nested deeper than 32 levels/);
  }
  const nest = (depth: number): JsonObject => (depth === 1 ? { leaf: 1 } : { k: nest(depth - 1) });
  await peer.set({ contextId: 'a', value: nest(32) });
  t.deepEqual(await peer.document('a'), nest(32));
  const path = Array.from({ length: 31 }, () => 'k');
  const set = (keys: string[], value: unknown): Mutation => ({ path: keys, operation: { $case: 'set', value } });
  await invalid(peer.update({ contextId: 'a', mutations: [set([...path, 'leaf'], { one: 'more' })] }), /./);
  await invalid(peer.update({ contextId: 'a', mutations: [set([...path, 'x', 'y'], 1)] }), 'mutations[0].path');
  await invalid(peer.update({ contextId: 'a', mutations: [set(Array(10_000).fill('k'), 1)] }), 'mutations[0].path');
});

test('as many keys and elements as 4 MiB can hold', async (t) => {
  const { peer } = await start(t);
  // About as small as a member can be: a key of up to four characters, and null.
  const NULL = Uint8Array.of(0x08, 0x00);
  const parts: Uint8Array[] = [];
  for (let i = 0; i < 320_000; i++) parts.push(member(Buffer.from(i.toString(36)), NULL));
  const found = await peer.raw(setContext, setBytes(Buffer.concat(parts))).then(
    () => undefined,
    (error) => refusal(error),
  );
  if (found) t.like(found, { code: RESOURCE_EXHAUSTED, reason: 'RESOURCE_EXHAUSTED' });
  else t.is(Object.keys(await peer.document('a')).length, 320_000);

  // Empty keys, all the same: each one counts, although they make a document of one member.
  const same = (count: number, end: Uint8Array = Buffer.alloc(0)) =>
    setBytes(Buffer.concat([...Array(count).fill(Buffer.from([0x0a, 0x04, 0x12, 0x02, 0x08, 0x00])), end]));
  await peer.raw(setContext, same(25_000));
  t.deepEqual(await peer.document('a'), { '': null });
  t.is((await refused(peer.raw(setContext, same(25_001)))).code, RESOURCE_EXHAUSTED);
  // Refused while it is decoded: what comes behind is not looked at.
  t.is((await refused(peer.raw(setContext, same(100_000, BAD_UTF8)))).code, RESOURCE_EXHAUSTED);
  const objects = Buffer.concat(Array(100_000).fill(Buffer.from([0x0a, 0x02, 0x2a, 0x00])));
  t.is((await refused(peer.raw(setContext, setBytes(member(KEY, field(6, objects)))))).code, RESOURCE_EXHAUSTED);
  const list = Buffer.concat(Array.from({ length: 1_000_000 }, () => Buffer.from([0x0a, 0x02, 0x08, 0x00])));
  const long = await peer.raw(setContext, setBytes(member(KEY, field(6, list)))).then(
    () => undefined,
    (error) => refusal(error),
  );
  if (long) t.is(long.code, RESOURCE_EXHAUSTED);
});

test('bad UTF-8 in ids, keys, values and paths', async (t) => {
  const { peer, invalid } = await start(t);
  await invalid(peer.raw(setContext, field(1, BAD_UTF8)), /./, /UTF-8/);
  await invalid(peer.raw(getContext, field(1, BAD_UTF8)), /./, /UTF-8/);
  await invalid(peer.raw(setContext, setBytes(member(BAD_UTF8, number(1)))), 'value', /UTF-8/);
  await invalid(peer.raw(setContext, setBytes(member(KEY, field(3, BAD_UTF8)))), 'value', /UTF-8/);
  // Half of a surrogate pair, in the way of CESU-8.
  await invalid(
    peer.raw(setContext, setBytes(member(KEY, field(3, Uint8Array.of(0xed, 0xa0, 0x80))))),
    'value',
    /UTF-8/,
  );
  const mutation = field(3, joined(field(1, BAD_UTF8), Uint8Array.of(0x18, 1)));
  await invalid(peer.raw(updateContext, joined(field(1, KEY), mutation)), /./, /UTF-8/);
});

test('numbers that JSON has not', async (t) => {
  const { peer, invalid } = await start(t);
  await peer.set({ contextId: 'a', value: { n: 1.7e308, text: 'x' } });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    await invalid(peer.raw(setContext, setBytes(member(KEY, number(value)))), 'value', /not a JSON number/);
    const mutations: Mutation[] = [{ path: ['n'], operation: { $case: 'increment', value } }];
    await invalid(peer.update({ contextId: 'a', mutations }), 'mutations[0].increment');
  }
  const increment = (key: string): Mutation => ({ path: [key], operation: { $case: 'increment', value: 1e308 } });
  await invalid(peer.update({ contextId: 'a', mutations: [increment('n')] }), 'mutations[0].increment');
  await invalid(peer.update({ contextId: 'a', mutations: [increment('text')] }), 'mutations[0].increment');
  t.deepEqual(await peer.document('a'), { n: 1.7e308, text: 'x' });
});

test('any key is data, there and back and by deltas', async (t) => {
  const { peer } = await start(t);
  const keys = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', '', 'a/b', 'a.b', '0'];
  const value = Object.fromEntries(keys.map((key) => [key, { [key]: { polluted: true } }]));
  const reader = watch(t, peer, { id: 'a' });
  await peer.set({ contextId: 'a', value: { length: 1 } });
  await reader.until(() => reader.copies.has('a'));
  await peer.set({ contextId: 'a', value, requestId: 'r' });
  await peer.update({ contextId: 'a', changes: { ['__proto__']: { ['__proto__']: { more: 1 } } } });
  const mutations: Mutation[] = [
    { path: ['__proto__', 'x', '__proto__'], operation: { $case: 'set', value: 1 } },
    { path: ['constructor', 'n'], operation: { $case: 'increment', value: 1 } },
    { path: ['toString'], operation: { $case: 'remove', value: true } },
  ];
  const nested = JSON.parse('{"__proto__":{"__proto__":{"more":1}}}');
  const { position } = await peer.update({ contextId: 'a', changes: nested, mutations });
  const document = await peer.document('a');
  t.deepEqual(Object.keys(document).sort(), keys.filter((key) => key !== 'toString').sort());
  t.is(
    JSON.stringify(Object.getOwnPropertyDescriptor(document, '__proto__')!.value),
    '{"__proto__":{"polluted":true,"more":1},"x":{"__proto__":1}}',
  );
  await reader.at('a', position);
  t.is(JSON.stringify(reader.copies.get('a')!.value), JSON.stringify(document));
  t.is(({} as Record<string, unknown>).polluted, undefined);
});

test('ids, prefixes and request ids', async (t) => {
  const { peer, invalid } = await start(t);
  const long = 'é'.repeat(256);
  await peer.set({ contextId: long, value: {} });
  for (const contextId of ['', 'x'.repeat(513), `${long}é`, `${long}x`, 'a\0b']) {
    await invalid(peer.set({ contextId }), 'context_id');
    await invalid(peer.update({ contextId }), 'context_id');
    await invalid(peer.get({ contextId }), 'context_id');
    await invalid(peer.delete({ contextId }), 'context_id');
    await invalid(peer.touch({ contextId }), 'context_id');
    await invalid(peer.sync({ contextId }), 'context_id');
    await invalid(peer.deltas({ contextId }), 'context_id');
  }
  await invalid(peer.list({ prefix: 'x'.repeat(513) }), 'prefix');
  await invalid(peer.list({ prefix: 'a\0' }), 'prefix');
  await invalid(peer.set({ contextId: 'a', requestId: 'r'.repeat(129) }), 'request_id');
  await invalid(peer.set({ contextId: 'a', requestId: '\0' }), 'request_id');
  await peer.set({ contextId: 'x'.repeat(512), value: {}, requestId: 'r'.repeat(128) });
});

test('errors that quote much, or half of a character, still arrive', async (t) => {
  const { peer, invalid } = await start(t);
  await peer.set({ contextId: 'a', value: { '😀': 1 } });
  for (let shift = 0; shift < 4; shift++) {
    const key = `${'x'.repeat(shift)}${'😀'.repeat(250)}`;
    await peer.update({ contextId: 'a', changes: { [key]: 1 } });
    const below: Mutation = { path: [key, 'below'], operation: { $case: 'set', value: 1 } };
    await invalid(peer.update({ contextId: 'a', mutations: [below] }), 'mutations[0].path');
  }
  const many = Array.from({ length: 1000 }, (_, i): Mutation => ({ path: [`k${i}`], operation: undefined }));
  await invalid(peer.update({ contextId: 'a', mutations: many }), 'mutations[0]');
  const contextId = '😀'.repeat(128);
  t.is((await refused(peer.get({ contextId }))).reason, 'NOT_FOUND');
});

test('garbage, unknown fields and calls', async (t) => {
  const { peer, address, invalid } = await start(t);
  const methods = [
    ...Object.values(ContextServiceService),
    SyncServiceService.syncContext,
    SyncServiceService.listDeltas,
  ];
  let seed = 1;
  const random = () => {
    seed = (seed * 48271) % 0x7fffffff;
    return seed & 0xff;
  };
  for (const { path } of methods) {
    const method = { path, responseDeserialize: () => undefined };
    await invalid(peer.raw(method, Uint8Array.of(0x0a, 0xff)), /./);
    await invalid(peer.raw(method, Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)), /./);
    for (let i = 0; i < 50; i++) {
      const found = await peer.raw(method, Uint8Array.from({ length: 1 + i }, random)).catch(refusal);
      if (typeof found === 'object' && found !== null && 'code' in found)
        t.true([3, 5, 9].includes(found.code as number));
    }
  }
  const unknown = joined(field(1, KEY), field(99, Buffer.from('from the future')), Uint8Array.of(0xa0, 0x06, 0x01));
  await peer.raw(setContext, unknown);
  t.deepEqual(await peer.document('k'), {});
  const nowhere = { ...getContext, path: '/chord.v1.ContextService/DropAll' };
  t.is((await refused(peer.raw(nowhere, new Uint8Array()))).code, UNIMPLEMENTED);
  // Garbage in place of a frame, and a frame that ends early.
  await rawStatus(t, address, getContext.path, Buffer.from('GET / HTTP/1.1'));
  await rawStatus(t, address, getContext.path, frame(Buffer.from('abc')).subarray(0, 6));
  await rawStatus(
    t,
    address,
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    frame(Uint8Array.of(0x1a, 0xff)),
  );
});

test('numbers out of range', async (t) => {
  const { peer, invalid } = await start(t);
  await peer.set({ contextId: 'a', value: { n: 1 } });
  const huge = new BinaryWriter()
    .uint32(2 << 3)
    .uint64('18446744073709551615')
    .finish();
  await invalid(peer.raw(SyncServiceService.syncContext, joined(field(1, Buffer.from('a')), field(2, huge))), /./);
  await invalid(peer.raw(SyncServiceService.listDeltas, joined(field(1, Buffer.from('a')), huge)), /./);
  const version = Number.MAX_SAFE_INTEGER;
  t.like((await peer.sync({ contextId: 'a', known: { epoch: '', version, digest: '' } })).result, { $case: 'full' });
  t.deepEqual((await peer.deltas({ contextId: 'a', fromVersion: version })).deltas, []);
  const expected = { condition: { $case: 'version' as const, value: version }, checks: [] };
  t.is((await refused(peer.set({ contextId: 'a', expected }))).code, 10);

  for (const ttl of [
    { seconds: -1, nanos: 0 },
    { seconds: 0, nanos: -1 },
    { seconds: 1e13, nanos: 0 },
    // Together they are 0, which would be for ever.
    { seconds: 1, nanos: -1_000_000_000 },
    { seconds: -2, nanos: 2_000_000_000 },
    { seconds: 1, nanos: 1_000_000_000 },
    { seconds: 1, nanos: -1 },
  ]) {
    await invalid(peer.set({ contextId: 'a', ttl }), 'ttl');
    await invalid(peer.touch({ contextId: 'a', ttl }), 'ttl');
  }
  const { context } = await peer.touch({ contextId: 'a', ttl: { seconds: 1000, nanos: 1 } });
  t.truthy(context!.expiresAt);
  t.deepEqual(await peer.document('a'), { n: 1 });

  for (const pageSize of [-1, 1001, 2 ** 31 - 1]) {
    await invalid(peer.list({ pageSize }), 'page_size');
    await invalid(peer.deltas({ contextId: 'a', pageSize }), 'page_size');
  }
  for (const pageToken of [
    '!',
    '%%%',
    'abc',
    'x:1',
    '1',
    ':',
    'a:-1',
    'a:1e3',
    Buffer.from([0xff, 0xfe]).toString('base64url'),
  ]) {
    await invalid(peer.deltas({ contextId: 'a', pageToken }), 'page_token');
  }
  for (const pageToken of ['!', '%%%', 'a b', '=', Buffer.from([0xff, 0xfe]).toString('base64url')]) {
    await invalid(peer.list({ pageToken }), 'page_token');
  }
  await invalid(peer.list({ prefix: 'b', pageToken: Buffer.from('a').toString('base64url') }), 'page_token');
  t.is((await peer.raw(listContexts, new Uint8Array())).contexts.length, 1);
});

test('mutations and conditions that say nothing', async (t) => {
  const { peer, invalid } = await start(t);
  await peer.set({ contextId: 'a', value: { list: [1], n: 1 } });
  const cases: [Mutation, string][] = [
    [{ path: ['n'], operation: undefined }, 'mutations[0]'],
    [{ path: [], operation: { $case: 'set', value: 1 } }, 'mutations[0].path'],
    [{ path: ['n'], operation: { $case: 'remove', value: false } }, 'mutations[0].remove'],
    [{ path: ['n', 'x'], operation: { $case: 'set', value: 1 } }, 'mutations[0].path'],
    [{ path: ['n'], operation: { $case: 'append', value: { values: [1] } } }, 'mutations[0].append'],
    [
      { path: ['list'], operation: { $case: 'splice', value: { index: 2, removeCount: 0, insert: [] } } },
      'mutations[0].splice',
    ],
    [
      {
        path: ['list'],
        operation: { $case: 'splice', value: { index: 4294967295, removeCount: 4294967295, insert: [] } },
      },
      'mutations[0].splice',
    ],
  ];
  for (const [mutation, at] of cases) await invalid(peer.update({ contextId: 'a', mutations: [mutation] }), at);
  const increment: Mutation = { path: ['n'], operation: { $case: 'increment', value: 1 } };
  await invalid(peer.update({ contextId: 'a', mutations: Array(1001).fill(increment) }), 'mutations');
  await invalid(peer.update({ contextId: 'a', mutations: [increment, cases[0]![0]] }), 'mutations[1]');
  await invalid(peer.set({ contextId: 'a', expected: { condition: undefined, checks: [] } }), 'expected');
  await invalid(
    peer.set({ contextId: 'a', expected: { condition: { $case: 'absent', value: false }, checks: [] } }),
    'expected.absent',
  );
  t.deepEqual(await peer.document('a'), { list: [1], n: 1 });
});

test('watches of nothing, of too much, and of something else', async (t) => {
  const { peer } = await start(t);
  const on = (contextId: string): Subscription => ({
    target: { $case: 'contextId', value: contextId },
    known: new Map(),
    paths: [],
  });
  const position = { epoch: 'e', version: 1, digest: 'd' };
  const under = (prefix: string, ...ids: string[]): Subscription => ({
    target: { $case: 'prefix', value: prefix },
    known: new Map(ids.map((id) => [id, position])),
    paths: [],
  });
  const many = (count: number) => Array.from({ length: count }, (_, i) => i.toString(36));
  const cases: [Parameters<Peer['watch']>[0], string][] = [
    [{ subscriptions: [] }, 'subscriptions'],
    [{ subscriptions: Array.from({ length: 1001 }, (_, i) => on(`c${i}`)) }, 'subscriptions'],
    [{ subscriptions: [{ target: undefined, known: new Map(), paths: [] }] }, 'subscriptions[0]'],
    [{ subscriptions: [on('a'), on('')] }, 'subscriptions[1].context_id'],
    [{ subscriptions: [on('x'.repeat(513))] }, 'subscriptions[0].context_id'],
    [{ subscriptions: [under('a', 'b')] }, 'subscriptions[0].known'],
    [{ subscriptions: [{ ...on('a'), known: new Map([['b', position]]) }] }, 'subscriptions[0].known'],
    [{ subscriptions: [under('', '')] }, 'subscriptions[0].known'],
    [{ subscriptions: [on('a'), under('', ...many(60_000)), under('', ...many(40_001))] }, 'subscriptions[2].known'],
    [{ subscriptions: [{ ...on('a'), paths: [{ keys: ['a'] }, { keys: [] }] }] }, 'subscriptions[0].paths[1].keys'],
    [{ subscriptions: [{ ...on('a'), paths: Array(1001).fill({ keys: ['a'] }) }] }, 'subscriptions[0].paths'],
    [{ subscriptions: [on('a')], format: 'yaml' }, 'format'],
    [{ subscriptions: [on('a')], heartbeatInterval: { seconds: 0, nanos: 1 } }, 'heartbeat_interval'],
    [{ subscriptions: [on('a')], heartbeatInterval: { seconds: -5, nanos: 0 } }, 'heartbeat_interval'],
    [{ subscriptions: [on('a')], heartbeatInterval: { seconds: 1e9, nanos: 0 } }, 'heartbeat_interval'],
  ];
  for (const [request, at] of cases) t.like(await endOf(peer, request), { code: INVALID_ARGUMENT, fields: [at] });
  const prefix = bytesOf(SyncServiceService.watchContexts, { subscriptions: [under('x'.repeat(513))] });
  t.true(prefix.length > 513);
  t.like(await endOf(peer, { subscriptions: [under('x'.repeat(513))] }), { code: INVALID_ARGUMENT });
});

/** What a watch that is refused ends with. */
function endOf(peer: Peer, request: Parameters<Peer['watch']>[0]): Promise<Refusal> {
  const call = peer.watch(request);
  call.resume();
  return new Promise((resolve, reject) => {
    call.on('error', (error) => resolve(refusal(error as Parameters<typeof refusal>[0])));
    call.on('end', () => reject(new Error('it ended well')));
  });
}

/** A message as gRPC frames it. */
function frame(bytes: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Sends these bytes as a request's body; answers the gRPC status, undefined where the stream ended without one. */
async function rawStatus(
  t: ExecutionContext,
  address: string,
  path: string,
  body: Uint8Array,
  headers: Record<string, string> = {},
): Promise<number | undefined> {
  const session = http2.connect(`http://${address}`);
  t.teardown(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let status: number | undefined;
  const take = (found: http2.IncomingHttpHeaders) => {
    if (found['grpc-status'] !== undefined) status = Number(found['grpc-status']);
  };
  stream
    .on('response', take)
    .on('trailers', take)
    .on('error', () => {});
  stream.end(body);
  stream.resume();
  await new Promise((resolve) => stream.on('close', resolve));
  return status;
}
