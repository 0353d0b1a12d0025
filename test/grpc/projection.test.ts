/** Scoped sync and watch: a reader of some subtrees gets those, whatever happens to the rest. */
import test from 'ava';
import fc from 'fast-check';
import { changesFromProto } from '../../src/codec/changes.js';
import { apply, equal } from '../../src/delta/index.js';
import { projectDocument, projectionOf } from '../../src/delta/projection.js';
import type { Position } from '../../src/gen/chord/v1/model.js';
import type { Subscription, WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject } from '../../src/model/model.js';
import { revisions } from '../support/arbitrary.js';
import { connect, type Peer, refused, samePosition, serve, type Watch } from '../support/chord.js';

const pad = 'some words more than a few, lest the document be smaller than what is said of it';
const pathsOf = (...paths: string[][]) => paths.map((keys) => ({ keys }));

function subscription(target: { id: string } | { prefix: string }, ...paths: string[][]): Subscription {
  const asked =
    'id' in target
      ? { $case: 'contextId' as const, value: target.id }
      : { $case: 'prefix' as const, value: target.prefix };
  return { target: asked, known: new Map(), paths: pathsOf(...paths) };
}

/** Follows a watch until a context stands at a position; answers its copies, and what came of each version. */
async function follow(watch: Watch, id: string, until: Position) {
  const copies = new Map<string, { value: JsonObject; position: Position }>();
  const changes = new Map<number, number>();
  for await (const { event } of watch as AsyncIterable<WatchContextsResponse>) {
    if (event?.$case === 'full') {
      const { contextId, value, position } = event.value.context!;
      copies.set(contextId, { value: value as JsonObject, position: position! });
    }
    if (event?.$case === 'delta') {
      const { contextId, from, to } = event.value;
      const copy = copies.get(contextId)!;
      if (!samePosition(copy.position, from)) throw new Error('a gap');
      copies.set(contextId, { value: apply(changesFromProto(event.value.changes), copy.value), position: to! });
      changes.set(to!.version, event.value.changes.length);
    }
    if (samePosition(copies.get(id)?.position, until)) break;
  }
  return { copies, changes };
}

test('sync: the document cut down, and only what changed in the parts', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const users = { ann: { status: 'here' }, bob: { status: 'away' } };
  const known = (await peer.set({ contextId: 'a', value: { users, pad } })).position!;
  const paths = pathsOf(['users', 'ann']);
  const first = await peer.sync({ contextId: 'a', paths });
  t.like(first.result, { $case: 'full', value: { context: { value: { users: { ann: { status: 'here' } } } } } });

  const elsewhere = (await peer.update({ contextId: 'a', changes: { users: { bob: { status: 'x' } } } })).position!;
  const moved = await peer.sync({ contextId: 'a', known, paths });
  t.like(moved.result, { $case: 'delta', value: { changes: [], from: known, to: elsewhere } });
  t.like((await peer.sync({ contextId: 'a', known: elsewhere, paths })).result, { $case: 'noChange' });

  await peer.update({ contextId: 'a', changes: { users: { ann: { status: 'gone' } }, pad: `${pad}!` } });
  const { result } = await peer.sync({ contextId: 'a', known, paths });
  t.like(result, { $case: 'delta' });
  if (result?.$case === 'delta')
    t.deepEqual(
      result.value.changes.map(({ path }) => path),
      [['users', 'ann', 'status']],
    );
  const patch = await peer.sync({ contextId: 'a', known, paths, format: 'merge_patch' });
  t.like(patch.result, { value: { formatted: { users: { ann: { status: 'gone' } } } } });

  const { code, fields } = await refused(peer.sync({ contextId: 'a', paths: pathsOf([]) }));
  t.is(code, 3);
  t.deepEqual(fields, ['paths[0].keys']);
});

test('watch: a change elsewhere moves the position and brings no data', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await peer.set({ contextId: 'a', value: { x: { n: 0 }, y: 0, pad } });
  const watch = peer.watch({ subscriptions: [subscription({ id: 'a' }, ['x'])] });
  t.teardown(() => watch.cancel());
  await new Promise<void>((resolve) => {
    watch.on('data', ({ event }: WatchContextsResponse) => event?.$case === 'caughtUp' && resolve());
  });
  const came: WatchContextsResponse['event'][] = [];
  const third = new Promise<void>((resolve) => {
    watch.on('data', ({ event }: WatchContextsResponse) => {
      came.push(event);
      if (came.length === 3) resolve();
    });
  });
  watch.on('error', () => {});
  for (const changes of [{ y: 1 }, { x: { n: 1 } }, { y: 2 }]) await peer.update({ contextId: 'a', changes });
  await third;
  const told = came.map((event) => event?.$case === 'delta' && [event.value.to!.version, event.value.changes.length]);
  t.deepEqual(told, [
    [2, 0],
    [3, 1],
    [4, 0],
  ]);
});

test('a context that several subscriptions cover is sent as far as any asks', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const value = { x: 1, y: 2, z: 3, pad };
  let last: Position | undefined;
  for (const contextId of ['p:both', 'p:one', 'q:all']) last = (await peer.set({ contextId, value })).position;
  const watch = peer.watch({
    subscriptions: [
      subscription({ prefix: 'p:' }, ['x']),
      subscription({ id: 'p:both' }, ['y']),
      subscription({ prefix: 'q:' }, ['x']),
      subscription({ id: 'q:all' }),
    ],
  });
  t.teardown(() => watch.cancel());
  const copies = new Map<string, unknown>();
  for await (const { event } of watch as AsyncIterable<WatchContextsResponse>) {
    if (event?.$case === 'full') copies.set(event.value.context!.contextId, event.value.context!.value);
    if (event?.$case === 'caughtUp') break;
  }
  t.truthy(last);
  t.deepEqual(Object.fromEntries(copies), { 'p:both': { x: 1, y: 2 }, 'p:one': { x: 1 }, 'q:all': value });
});

test('law: a reader of parts has, at each position, the parts of the document there', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const key = fc.constantFrom('a', 'b', 'list', '', '__proto__', 'constructor', 'a.b');
  const paths = fc.array(fc.array(key, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 });
  let contexts = 0;
  await fc.assert(
    fc.asyncProperty(revisions({ min: 2, max: 6 }), paths, async (documents, parts) => {
      const id = `c${contexts++}`;
      const watch = peer.watch({ subscriptions: [subscription({ id }, ...parts)] });
      try {
        let position: Position | undefined;
        for (const value of documents) position = (await peer.set({ contextId: id, value })).position;
        const { copies } = await follow(watch, id, position!);
        t.true(equal(copies.get(id)!.value, projectDocument(documents.at(-1)!, projectionOf(parts))));
        await checkSyncs(peer, id, documents, parts, (same) => t.true(same));
      } finally {
        watch.on('error', () => {});
        watch.cancel();
      }
    }),
    { numRuns: 40 },
  );
});

/** From each version, sync leads to the parts of the last document. */
async function checkSyncs(
  peer: Peer,
  contextId: string,
  documents: readonly JsonObject[],
  parts: string[][],
  check: (same: boolean) => void,
): Promise<void> {
  const scope = projectionOf(parts);
  const wanted = projectDocument(documents.at(-1)!, scope);
  const head = (await peer.get({ contextId })).context!.position!;
  for (let version = 1; version < head.version; version++) {
    const then = (await peer.get({ contextId, version })).context!;
    const { result } = await peer.sync({ contextId, known: then.position!, paths: pathsOf(...parts) });
    if (result?.$case === 'full') check(equal(result.value.context!.value as JsonObject, wanted));
    if (result?.$case !== 'delta') continue;
    const before = projectDocument(then.value as JsonObject, scope);
    check(equal(apply(changesFromProto(result.value.changes), before), wanted));
  }
}
