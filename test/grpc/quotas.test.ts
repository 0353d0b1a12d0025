/** Quotas over real connections: what is at the limit passes, one more does not, and what ends is given back. */
import { readFile } from 'node:fs/promises';
import type { ServiceError } from '@grpc/grpc-js';
import test from 'ava';
import { ContextServiceService } from '../../src/gen/chord/v1/context_service.js';
import { type Subscription, SyncServiceService } from '../../src/gen/chord/v1/sync_service.js';
import { TransferServiceService } from '../../src/gen/chord/v1/transfer_service.js';
import { policyOf } from '../../src/grpc/methods.js';
import { ALL, guarded, replace } from '../support/access.js';
import { bytesOf, connect, type Peer, Reader, type Refusal, refusal, refused, serve, watch } from '../support/chord.js';
import { Running } from '../support/cli.js';
import { serveLimited } from '../support/limited.js';
import { until } from '../support/until.js';

const RESOURCE_EXHAUSTED = 8;
const INVALID_ARGUMENT = 3;

function overQuota(quota: string, limit: number, whose = 'identity', retryAfter: number | undefined = 1000) {
  return {
    code: RESOURCE_EXHAUSTED,
    reason: 'RESOURCE_EXHAUSTED',
    info: { quota, quota_limit: `${limit}`, quota_of: whose },
    retryAfter,
  };
}

async function endOf(reader: Reader): Promise<Refusal> {
  return refusal(await reader.end());
}

/** A watch that has its first state. */
async function opened(peer: Peer, id: string): Promise<Reader> {
  const reader = new Reader(peer, { id });
  await reader.caughtUp();
  return reader;
}

test('writes per second', async (t) => {
  const { as, clock } = await serveLimited(t, { quotas: { writesPerSecond: 5 } });
  const [ann, annToo, bob] = [as('ann'), as('ann'), as('bob')];
  await ann.set({ contextId: 'a', value: {} });
  await ann.update({ contextId: 'a', changes: { n: 1 } });
  await annToo.touch({ contextId: 'a' });
  await annToo.revert({ contextId: 'a', version: 1 });
  await annToo.delete({ contextId: 'a' });
  for (const peer of [ann, annToo]) {
    const found = await refused(peer.set({ contextId: 'a', value: {} }));
    t.like(found, overQuota('writesPerSecond', 5, 'identity', 201));
    t.regex(found.message, /this identity: writesPerSecond, at most 5/);
  }
  t.is((await refused(ann.get({ contextId: 'a' }))).reason, 'NOT_FOUND', 'nothing was written, and reads go on');
  for (let i = 0; i < 5; i++) await bob.set({ contextId: 'b', value: { i } });
  clock.now += 201;
  await ann.set({ contextId: 'a', value: {} });
  t.like(await refused(ann.set({ contextId: 'a', value: {} })), { retryAfter: 200 });
});

test('a write that fails counts as one that does not', async (t) => {
  const { as } = await serveLimited(t, { quotas: { writesPerSecond: 2 } });
  const ann = as('ann');
  t.is((await refused(ann.update({ contextId: 'missing' }))).reason, 'NOT_FOUND');
  // What is no request at all does not.
  const bytes = Uint8Array.of(0x0a, 0xff);
  t.is((await refused(ann.raw(ContextServiceService.setContext, bytes))).code, INVALID_ARGUMENT);
  await ann.set({ contextId: 'a' });
  t.like(await refused(ann.set({ contextId: 'a' })), overQuota('writesPerSecond', 2, 'identity', 501));
});

test('bytes per second, as they are on the wire', async (t) => {
  // It fails, and so costs what is sent and no more.
  const request = { contextId: 'a', changes: { text: 'x'.repeat(1000) } };
  const size = bytesOf(ContextServiceService.updateContext, request).length;
  const send = async (peer: Peer) => t.is((await refused(peer.update(request))).reason, 'NOT_FOUND');
  const { as, clock } = await serveLimited(t, { quotas: { bytesPerSecond: 2 * size } });
  const ann = as('ann');
  await send(ann);
  await send(ann);
  t.like(await refused(ann.get({ contextId: 'a' })), overQuota('bytesPerSecond', 2 * size, 'identity', 2));
  t.like(await refused(ann.update(request)), { retryAfter: 501 });
  await send(as('bob'));
  clock.now += 501;
  await send(ann);
  clock.now += 1000;
  await ann.set({ contextId: 'a', value: { text: 'x'.repeat(10_000) } });
  t.true((await refused(ann.get({ contextId: 'a' }))).retryAfter! > 3000, 'a larger one is paid back first');
});

test('streams: cancelled, refused, broken and killed ones are given back', async (t) => {
  const { as, left } = await serveLimited(t, { quotas: { streams: 2 } });
  const [ann, annToo, bob] = [as('ann'), as('ann'), as('bob')];
  const first = await opened(ann, 'a');
  const second = await opened(annToo, 'a');
  for (const peer of [ann, annToo]) t.like(await endOf(new Reader(peer, { id: 'a' })), overQuota('streams', 2));
  await (await opened(bob, 'a')).caughtUp();
  first.cancel();
  await left();

  const bad = new Reader(ann, { id: '' });
  t.is((await endOf(bad)).code, INVALID_ARGUMENT);
  const third = await opened(ann, 'a');
  t.like(await endOf(new Reader(ann, { id: 'a' })), overQuota('streams', 2));

  // A connection that breaks.
  annToo.client.close();
  second.cancel();
  await left();
  const exporting = ann.transfer(TransferServiceService.exportContexts, { prefix: '' });
  t.is((await refused(exporting)).reason, 'FAILED_PRECONDITION', 'it had its turn');
  const fourth = await opened(ann, 'a');
  t.like(await refused(ann.transfer(TransferServiceService.exportContexts, {})), overQuota('streams', 2));
  for (const reader of [third, fourth]) reader.cancel();
});

test('a client that is killed gives back what it had', async (t) => {
  const { address } = await serve(t, { quotas: { streams: 1 } });
  const client = new Running(['watch', 'a', '--address', address]);
  t.is(await client.line(), 'a does not exist');
  const peer = connect(t, address);
  t.like(await endOf(new Reader(peer, { id: 'a' })), overQuota('streams', 1));
  await client.end('SIGKILL');
  // The server hears of it by the connection's end; nothing tells us when it has.
  await until(async () => {
    const reader = watch(t, peer, { id: 'a' });
    const came = await Promise.race([reader.caughtUp().catch(() => 'refused'), reader.end()]);
    return came === undefined;
  }, 'a stream within the quota');
  t.pass();
});

test('subscriptions, over all streams of an identity', async (t) => {
  const { as, left } = await serveLimited(t, { quotas: { subscriptions: 5 } });
  const ann = as('ann');
  const on = (id: string): Subscription => ({ target: { $case: 'contextId', value: id }, known: new Map(), paths: [] });
  const asked = (peer: Peer, count: number) =>
    new Promise<Refusal | (() => void)>((resolve) => {
      const call = peer.watch({ subscriptions: Array.from({ length: count }, (_, i) => on(`c${i}`)) });
      call.on('data', ({ event }) => event?.$case === 'caughtUp' && resolve(() => call.cancel()));
      call.on('error', (error) => resolve(refusal(error as ServiceError)));
    });
  const cancel = await asked(ann, 3);
  t.like(await asked(as('ann'), 3), overQuota('subscriptions', 5));
  t.is(typeof (await asked(as('ann'), 2)), 'function');
  t.is(typeof (await asked(as('bob'), 5)), 'function');
  t.like(await asked(ann, 1), overQuota('subscriptions', 5));
  (cancel as () => void)();
  await left();
  t.is(typeof (await asked(ann, 3)), 'function');
});

test('contexts: a prefix that grows beyond the limit ends its stream with a word, and no other', async (t) => {
  const { as, left } = await serveLimited(t, { quotas: { contexts: 4 } });
  const [ann, bob] = [as('ann'), as('bob')];
  for (const id of ['p/1', 'p/2', 'other']) await bob.set({ contextId: id, value: {} });
  const under = watch(t, ann, { prefix: 'p/' });
  const one = watch(t, as('ann'), { id: 'other' });
  const others = watch(t, bob, { prefix: 'p/' });
  await Promise.all([under.caughtUp(), one.caughtUp(), others.caughtUp()]);
  await bob.set({ contextId: 'p/3', value: {} });
  await under.until(() => under.copies.has('p/3'));
  await bob.delete({ contextId: 'p/1' });
  await under.until(() => under.log.includes('deleted DELETED p/1'));
  await bob.set({ contextId: 'p/4', value: {} });
  await under.until(() => under.copies.has('p/4'));

  const { position } = await bob.set({ contextId: 'p/5', value: {} });
  const found = await endOf(under);
  t.like(found, { ...overQuota('contexts', 4), retryAfter: undefined });
  t.is(under.log.at(-1), 'closing');
  await others.at('p/5', position);
  await bob.update({ contextId: 'other', changes: { n: 1 } });
  await one.until(() => one.copies.get('other')?.value.n === 1);

  // Too many from the beginning; and what the first had is free again.
  const again = new Reader(ann, { prefix: 'p/' });
  t.like(await endOf(again), { ...overQuota('contexts', 4), retryAfter: undefined });
  one.cancel();
  await left();
  await watch(t, ann, { prefix: 'p/' }).caughtUp();
});

test('calls under way: what has been cancelled counts until it is over', async (t) => {
  const { as, hold, letGo } = await serveLimited(t, { quotas: { calls: 2 } });
  const ann = as('ann');
  const held = hold('a', 2);
  const going = as('ann').set({ contextId: 'a' });
  const { path, requestSerialize, responseDeserialize } = ContextServiceService.getContext;
  const request = { contextId: 'a', version: 0, includeExpiries: false };
  const given = ann.client.makeUnaryRequest(
    path,
    requestSerialize,
    responseDeserialize,
    request,
    ann.metadata,
    () => {},
  );
  await held;
  t.like(await refused(ann.get({ contextId: 'b' })), overQuota('calls', 2));
  t.is((await refused(as('bob').get({ contextId: 'b' }))).reason, 'NOT_FOUND');
  (await opened(ann, 'x')).cancel();
  given.cancel();
  t.like(await refused(ann.get({ contextId: 'b' })), overQuota('calls', 2));
  letGo();
  await going;
  await as('bob').set({ contextId: 'a' });
  t.is((await refused(as('ann').get({ contextId: 'b' }))).reason, 'NOT_FOUND');
});

test('limits of one identity', async (t) => {
  const own = (name: string) => (name === 'ann' ? { writesPerSecond: Infinity } : undefined);
  const { as } = await serveLimited(t, { quotas: { writesPerSecond: 1 } }, own);
  for (let i = 0; i < 10; i++) await as('ann').set({ contextId: 'a', value: { i } });
  await as('bob').set({ contextId: 'a' });
  t.like(await refused(as('bob').set({ contextId: 'a' })), { code: RESOURCE_EXHAUSTED });
});

test('identities by their tokens, and limits by the rules as they are now', async (t) => {
  const { chord, as, tokens, rulesFile } = await guarded(
    t,
    { ann: { '': ALL }, bob: { '': ALL } },
    { quotas: { streams: 1 } },
  );
  const [ann, annToo, bob] = [as(tokens.ann), as(tokens.ann), as(tokens.bob)];
  const readers = [await opened(ann, 'a'), await opened(bob, 'a')];
  t.like(await endOf(new Reader(annToo, { id: 'a' })), overQuota('streams', 1));
  const rules = JSON.parse(await readFile(rulesFile, 'utf8'));
  rules.identities.ann.limits = { streams: 2 };
  await replace(rulesFile, JSON.stringify(rules));
  await chord.reload();
  readers.push(await opened(annToo, 'a'));
  t.like(await endOf(new Reader(ann, { id: 'a' })), overQuota('streams', 2));
  t.like(await endOf(new Reader(bob, { id: 'a' })), overQuota('streams', 1));
  for (const reader of readers) reader.cancel();
});

test('connections have limits of their own', async (t) => {
  const { address } = await serve(t, { connectionQuotas: { streams: 1 } });
  const [one, other] = [connect(t, address), connect(t, address)];
  const reader = await opened(one, 'a');
  t.like(await endOf(new Reader(one, { id: 'a' })), overQuota('streams', 1, 'connection'));
  (await opened(other, 'a')).cancel();
  reader.cancel();
});

test('every call is either a write or known not to be one', (t) => {
  const others = [
    'GetContext',
    'ListContexts',
    'SyncContext',
    'WaitContext',
    'WatchContexts',
    'ListDeltas',
    'BlameContext',
    'ExportContext',
    'ExportContexts',
  ];
  for (const service of [ContextServiceService, SyncServiceService, TransferServiceService]) {
    for (const { path } of Object.values(service)) {
      const name = path.split('/')[2]!;
      const [, serviceName = ''] = path.split('/');
      const counts = policyOf({ service: serviceName, name })?.writes !== undefined;
      t.not(counts, others.includes(name), name);
    }
  }
});
