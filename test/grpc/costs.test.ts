/// <reference lib="es2024.string" />
/** What a call costs beyond what it sends: what it stores, what it is answered, the memory that it holds meanwhile. */
import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import type { Commit, Store } from '../../src/store/store.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, refused, serve } from '../support/chord.js';
import { serveLimited } from '../support/limited.js';

const RESOURCE_EXHAUSTED = 8;
const INVALID_ARGUMENT = 3;
const MiB = 2 ** 20;

test('a small request that stores much pays for what it stored before the next', async (t) => {
  const { as, clock } = await serveLimited(t, { quotas: { bytesPerSecond: 10_000 } });
  const ann = as('ann');
  const below = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`${i}`, i]));
  await ann.set({ contextId: 'a', value: { ['k'.repeat(1000)]: {} } });
  clock.now += 100_000;
  // Some 5 KB are sent. Each of 200 changes stores its path of 1 KB.
  await ann.update({ contextId: 'a', changes: { ['k'.repeat(1000)]: below } });
  const over = await refused(ann.update({ contextId: 'a', changes: { n: 1 } }));
  t.like(over, { code: RESOURCE_EXHAUSTED, info: { quota: 'bytesPerSecond' } });
  t.true(over.retryAfter! > 19_000 && over.retryAfter! < 25_000, `${over.retryAfter} ms`);
  clock.now += over.retryAfter!;
  await ann.update({ contextId: 'a', changes: { n: 1 } });
});

test('what reads the past pays for the deltas that it read', async (t) => {
  const { as, clock } = await serveLimited(t, { quotas: { bytesPerSecond: 10_000 } });
  const ann = as('ann');
  await ann.set({ contextId: 'a', value: { n: 0 } });
  for (let n = 1; n <= 4; n++) {
    clock.now += 100_000;
    await ann.update({ contextId: 'a', changes: { text: `${n}`.repeat(20_000) } });
  }
  const revert = { write: { $case: 'revert' as const, value: { contextId: 'a', version: 3, ...PLAIN } } };
  const reads = [
    ann.get.bind(ann, { contextId: 'a', version: 3 }),
    ann.revert.bind(ann, { contextId: 'a', version: 2 }),
    ann.batch.bind(ann, { writes: [revert] }),
    ann.blame.bind(ann, { contextId: 'a', paths: [{ keys: ['n'] }] }),
  ];
  for (const read of reads) {
    clock.now += 100_000;
    await read();
    // A version is a text of 20 KB and the one before it, of which each of these reads one or more.
    const debt = (await refused(ann.get({ contextId: 'a' }))).retryAfter!;
    t.true(debt > 4000, `${debt} ms`);
  }
});

const PLAIN = { expected: undefined, requestId: '', annotations: new Map(), ttl: undefined, returning: undefined };

test('a batch pays for all that it stored, and a read for its answer', async (t) => {
  const { as, clock } = await serveLimited(t, { quotas: { bytesPerSecond: 10_000 } });
  const ann = as('ann');
  const text = 'x'.repeat(20_000);
  const set = (contextId: string) => ({
    write: {
      $case: 'set' as const,
      value: {
        contextId,
        value: { text },
        expected: undefined,
        requestId: '',
        annotations: new Map(),
        ttl: undefined,
        returning: undefined,
      },
    },
  });
  await ann.batch({ writes: [set('a'), set('b')] });
  // 40 KB sent, and 40 KB stored.
  const written = (await refused(ann.get({ contextId: 'a' }))).retryAfter!;
  t.true(written > 7000 && written < 8000, `${written} ms`);
  clock.now += 100_000;
  await ann.get({ contextId: 'a' });
  const read = (await refused(ann.get({ contextId: 'a' }))).retryAfter!;
  t.true(read > 1000 && read < 1200, `${read} ms`);
  await as('bob').get({ contextId: 'a' });
});

test('requests under way are bounded in bytes, in all and for each connection', async (t) => {
  let letGo = () => {};
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  let waiting = 0;
  let arrived = () => {};
  const inner = openMemory();
  /** Its commits wait: so do the requests that they are of. */
  const slow = new Proxy(inner, {
    get(target, key) {
      if (key === 'commit') {
        return async (commit: Commit) => {
          waiting++;
          arrived();
          await gate;
          return target.commit(commit);
        };
      }
      const value = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }) as Store;
  const until = async (count: number) => {
    while (waiting < count) await new Promise<void>((resolve) => (arrived = resolve));
  };
  const { address } = await serve(t, { store: () => slow, maxInFlightBytes: 8 * MiB });
  const peers = Array.from({ length: 6 }, () => connect(t, address));
  const large = (contextId: string) => ({ contextId, value: { text: 'x'.repeat(1.9 * MiB) } });
  const under: Promise<unknown>[] = [];
  for (const [i, peer] of peers.slice(0, 4).entries()) {
    under.push(peer.set(large(`${i}`)));
    await until(i + 1);
  }
  const over = await refused(peers[4]!.set(large('4')));
  t.like(over, { code: RESOURCE_EXHAUSTED, retryAfter: 1000 });
  t.regex(over.message, /at most 8388608/);
  t.like(await refused(peers[0]!.set(large('5'))), { code: RESOURCE_EXHAUSTED, retryAfter: 1000 });
  under.push(peers[5]!.set({ contextId: 'small', value: { n: 1 } }));
  await until(5);
  letGo();
  await Promise.all(under);
  // All of it is given back. A connection may hold a quarter, but one request alone always passes.
  await peers[0]!.set({ contextId: '6', value: { text: 'x'.repeat(2.5 * MiB) } });
  await peers[4]!.set(large('4'));
});

test('whatever stands in a page token, it is answered or INVALID_ARGUMENT', async (t) => {
  const { address } = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t) });
  const peer = connect(t, address);
  for (const contextId of ['a', 'b', 'c']) await peer.set({ contextId, value: { m: 1, n: 1 } });
  for (let n = 0; n < 5; n++) await peer.update({ contextId: 'a', changes: { n } });
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  const { nextPageToken: ofHeads } = await peer.list({ pageSize: 1 });
  const { nextPageToken: ofDeltas } = await peer.deltas({ contextId: 'a', pageSize: 1 });
  const { nextPageToken: ofBlame } = await peer.blame({ contextId: 'a', pageSize: 1 });
  const [epoch] = ofDeltas.split(':');
  const tokens = [
    ...[513, 2000, 8192, 100_000, 1_000_000].flatMap((length) => ['a'.repeat(length), encode('a'.repeat(length))]),
    ...['', '\0', 'a\0b', '\ud800', 'ü'.repeat(300), ' ', 'a'].flatMap((text) => [text, encode(text)]),
    ...['0', '1', '999999999999999', '9007199254740993', '-1', '1e3', '1:2', ''].map(
      (version) => `${epoch}:${version}`,
    ),
    ...Array.from({ length: 200 }, (_, i) => {
      const token = [ofHeads, ofDeltas, ofBlame][i % 3]!;
      const at = i % (token.length + 1);
      return `${token.slice(0, at)}${String.fromCharCode(33 + i)}${token.slice(at + (i % 3))}`;
    }),
    ofHeads,
    ofDeltas,
    ofBlame,
    ...['1:0', '0:0:0', '1:999999999:0', '1:0:999999999', '2:1:1'].map((rest) => `${epoch}:${rest}`),
  ].map((token) => token.toWellFormed());
  const codes = { answered: 0, refused: 0 };
  for (const pageToken of tokens) {
    const context = { contextId: 'a', pageToken };
    for (const asked of [peer.list({ pageToken }), peer.deltas(context), peer.blame(context)]) {
      const code = await asked.then(
        () => undefined,
        (error: { code: number }) => error.code,
      );
      t.true(code === undefined || code === INVALID_ARGUMENT, `${pageToken.slice(0, 50)}: ${code}`);
      codes[code === undefined ? 'answered' : 'refused']++;
    }
  }
  t.true(codes.answered > 2 && codes.refused > 200, JSON.stringify(codes));
});
