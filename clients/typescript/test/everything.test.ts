/** All of the service. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { admin, contexts } from '../src/grpc.js';
import {
  apply,
  type BatchedWrite,
  type ChordError,
  type Delta,
  DeltaMismatch,
  Replica,
  type WatchEvent,
} from '../src/index.js';
import { connectedTo, startPeer } from './support/peer.js';
import { connected, type Server, startServer } from './support/server.js';

let server: Server;
const ends: (() => unknown)[] = [];
test.before(async () => {
  server = await startServer({ teardown: (end: () => unknown) => ends.push(end) } as never, '--backend', 'memory');
});
test.after.always(async () => {
  for (const end of ends) await end();
});

/** Long enough that a delta is smaller than the document. */
const REST = 'long enough that a delta is smaller than the document, also when it is merged';

test('a batch', async (t) => {
  const client = connected(t, server);
  for (const name of ['update', 'revert', 'delete', 'touch']) {
    await client.set(`batch:${name}`, { n: 1 }, { ttl: 3_600_000 });
  }
  await client.set('batch:revert', { n: 2 });
  const writes: BatchedWrite[] = [
    { set: 'batch:set', value: { n: 1 }, expected: { absent: true }, returning: { context: true } },
    {
      update: 'batch:update',
      mutations: [{ path: ['n'], increment: 1 }],
      checks: [{ path: ['n'], equals: 1 }],
      returning: { delta: true },
      annotations: { why: 'a test' },
    },
    { revert: 'batch:revert', version: 1, returning: { context: true } },
    { delete: 'batch:delete' },
    { delete: 'batch:missing', allowMissing: true },
    { touch: 'batch:touch', ttl: 0 },
  ];
  const results = await client.batch(writes, { requestId: 'once' });
  t.deepEqual(
    results.map(({ position }) => position?.version),
    [1, 2, 3, 1, undefined, 1],
  );
  t.deepEqual(results[0]?.context?.value, { n: 1 });
  t.deepEqual(results[1]?.delta?.changes, [{ action: 'modified', path: ['n'], value: 2 }]);
  t.deepEqual(results[1]?.delta?.provenance?.annotations, { why: 'a test' });
  t.deepEqual(results[2]?.context?.value, { n: 1 });
  t.false(results[4]?.changed);
  t.like(results[5]?.context, { contextId: 'batch:touch', value: undefined, expiresAt: undefined });
  // A repeat answers what the first one did, and touches nothing.
  const again = await client.batch(writes, { requestId: 'once' });
  t.deepEqual(again, [...results.slice(0, 5), { ...results[5]!, context: undefined }]);
});

test('a batch is done whole or not', async (t) => {
  const client = connected(t, server);
  const set: BatchedWrite = { set: 'whole:a', value: { n: 1 } };
  const failed = await t.throwsAsync<ChordError>(client.batch([set, { update: 'whole:b', changes: { n: 1 } }]));
  t.like(failed, { reason: 'NOT_FOUND', contextId: 'whole:b' });
  t.like(await t.throwsAsync<ChordError>(client.get('whole:a')), { reason: 'NOT_FOUND' });

  const refused: [BatchedWrite, string][] = [
    [{ set: 'whole:b', value: { n: [new Date()] } } as never, 'writes[1].set.value.n[0]'],
    [{ update: 'whole:b', changes: { n: Number.NaN } }, 'writes[1].update.changes.n'],
    [{ update: 'whole:b', mutations: [{ path: ['\ud800'], remove: true }] }, 'writes[1].update.mutations[0].path[0]'],
    [{ delete: '\ud800' }, 'writes[1].delete.context_id'],
  ];
  for (const [write, field] of refused) {
    const error = await t.throwsAsync<ChordError>(client.batch([set, write]));
    t.deepEqual([error.reason, error.violations[0]?.field], ['INVALID_ARGUMENT', field]);
  }
});

test('the past', async (t) => {
  const client = connected(t, server);
  const first = await client.set('past', { n: 1 }, { returning: { context: true } });
  await client.set('past', { n: 2 });
  t.like(await client.get('past', { version: 1 }), { value: { n: 1 }, position: first.position });
  t.deepEqual((await client.get('past', { at: new Date(Date.now() + 3_600_000) })).value, { n: 2 });
  const before = new Date(first.context!.createdAt!.getTime() - 1000);
  t.like(await t.throwsAsync<ChordError>(client.get('past', { at: before })), { reason: 'NOT_FOUND' });

  const options = { returning: { context: true, delta: true, oldValues: true }, requestId: 'once' };
  const reverted = await client.revert('past', 1, options);
  t.like(reverted, { position: { version: 3 }, context: { value: { n: 1 } } });
  t.deepEqual(reverted.delta?.changes, [{ action: 'modified', path: ['n'], value: 1, old: 2 }]);
  t.deepEqual(await client.revert('past', 1, options), reverted);
  const expected = { position: first.position };
  const failed = await t.throwsAsync<ChordError>(client.revert('past', 2, { expected }));
  t.deepEqual([failed.reason, failed.current], ['ABORTED', reverted.position]);
});

test('formats and paths', async (t) => {
  const client = connected(t, server);
  const known = (await client.set('formats', { members: { ann: 1, bob: 1 }, rest: REST })).position;
  const mutations = [{ path: ['members', 'ann'], set: 2 }];
  const returning = { delta: true, format: 'json_patch' };
  const { delta } = await client.update('formats', { mutations }, { returning });
  const replaced = { op: 'replace', path: '/members/ann', value: 2 };
  t.like(delta, { formatted: [replaced], changes: [] });

  const synced = await client.sync('formats', known, { format: 'json_patch', includeOldValues: true });
  t.like(synced, { type: 'delta', formatted: [{ op: 'test', path: '/members/ann', value: 1 }, replaced] });
  const checks = [{ path: ['rest'], exists: true }];
  const merged = { members: { ann: 2 } };
  const { result } = await client.wait('formats', checks, { known, format: 'merge_patch' });
  t.like(result, { type: 'delta', formatted: merged });
  for await (const page of client.deltas('formats', 1, { format: 'merge_patch', pageSize: 1 })) {
    t.deepEqual(page.deltas[0]?.formatted, merged);
  }
  await client.set('formats:null', { n: 1 });
  const lost = await client.update(
    'formats:null',
    { changes: { n: null } },
    { returning: { delta: true, format: 'merge_patch' } },
  );
  t.is(lost.delta?.formatted, undefined);
  t.regex(lost.delta?.inexpressible ?? '', /null/);
  for (const each of [delta, lost.delta]) {
    t.throws(() => apply(each as Delta, {}), { instanceOf: DeltaMismatch, message: /another format/ });
  }

  const part = { type: 'full', value: { members: { bob: 1 } } };
  const paths = [['members', 'bob']];
  t.like(await client.sync('formats', undefined, { paths }), part);
  t.like((await client.wait('formats', checks, { paths })).result, part);
  const error = await t.throwsAsync<ChordError>(client.sync('formats', undefined, { paths: [['\ud800']] }));
  t.is(error.violations[0]?.field, 'paths[0].keys[0]');
});

test('watches and replicas of parts', async (t) => {
  const client = connected(t, server);
  const first = await client.set('parts', { members: { ann: 1 }, rest: REST });
  const targets = [{ id: 'parts', paths: [['members']] }];
  const watch = client.watch(targets, { format: 'merge_patch' });
  const next = async () => (await watch.next()).value as WatchEvent;
  t.like(await next(), { type: 'full', value: { members: { ann: 1 } } });
  t.is((await next()).type, 'caughtUp');
  const replica = new Replica(client, targets);
  await replica.ready;

  const mutations = [
    { path: ['members', 'bob'], set: 2 },
    { path: ['rest'], set: 'other' },
  ];
  const { position } = await client.update('parts', { mutations });
  t.like(await next(), { type: 'delta', formatted: { members: { bob: 2 } } });
  await replica.waitFor('parts', position);
  t.deepEqual(replica.get('parts'), { members: { ann: 1, bob: 2 } });
  // One that resumes has the same parts.
  const resumed = client.watch(targets, { known: new Map([['parts', first.position]]) });
  t.deepEqual((await resumed.next()).value, {
    ...((await client.sync('parts', first.position, { paths: [['members']] })) as object),
    more: false,
  } as never);
  await replica.close();
  t.throws(() => client.watch([{ prefix: '', paths: [['\ud800']] }]), { message: /targets\[0\].paths\[0\].keys\[0\]/ });
});

test('pages', async (t) => {
  const client = connected(t, server);
  for (let n = 0; n < 5; n++) await client.set(`pages:${n}`, {});
  const ids: string[] = [];
  for await (const { contextId } of client.list('pages:', { pageSize: 2 })) ids.push(contextId);
  t.deepEqual(ids, ['pages:0', 'pages:1', 'pages:2', 'pages:3', 'pages:4']);
  const wrong = client.list('pages:', { pageSize: -1 }).next();
  t.like(await t.throwsAsync<ChordError>(wrong), { reason: 'INVALID_ARGUMENT' });
});

test('the calls of administrators', async (t) => {
  const exports = await mkdtemp(join(tmpdir(), 'chord-exports-'));
  t.teardown(() => rm(exports, { recursive: true }));
  const client = connected(t, await startServer(t));
  const stats = client.stream(admin.watchStats, { interval: { seconds: 0, nanos: 100_000_000 } });
  t.is((await stats.next()).value?.stats?.server?.backend, 'lmdb');
  for await (const { part } of client.stream(admin.backup, {})) {
    t.is(part?.$case, 'start');
    break;
  }
  const seldom = client.stream(admin.watchStats, { interval: { seconds: 3600, nanos: 0 } });
  const reading = seldom.next();
  await client.close();
  const closed = { reason: 'CANCELLED', message: 'the client is closed' };
  t.like(await t.throwsAsync<ChordError>(reading), closed);
  t.like(await t.throwsAsync<ChordError>(async () => client.stream(admin.watchStats, {}).next()), closed);
});

test('a repeatable call is tried again', async (t) => {
  let calls = 0;
  const peer = await startPeer(t, {
    set: (_, answer) => (++calls % 2 === 1 ? answer({ code: status.UNAVAILABLE }) : answer(null, { changed: true })),
  });
  const client = connectedTo(t, peer);
  t.true((await client.call(contexts.setContext, { contextId: 'a' }, { repeatable: true })).changed);
  t.is(calls, 2);
  t.like(await t.throwsAsync<ChordError>(client.call(contexts.setContext, { contextId: 'a' })), {
    reason: 'UNAVAILABLE',
  });
  t.is(calls, 3);
});
