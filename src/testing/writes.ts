/** Promises 1 to 4 of the store contract: commits, pipelines, request ids. */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import type { Outcome, Store } from '../store/store.js';
import { commitOf, kinds, numbered, plain, positionAt, range, recordOf, requestOf, write } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

export const writes: readonly StoreLaw[] = [
  law('1. a commit happens exactly when the context is at the expected position', async ({ store }) => {
    const first = commitOf('a', null);
    deepEqual(await store.commit(first), { kind: 'committed' });
    deepEqual(await store.head('a'), first.head);
    const conflict: Outcome = { kind: 'conflict', head: first.head };
    deepEqual(await store.commit(commitOf('a', null)), conflict);
    for (const wrong of [{ epoch: 'other' }, { version: 2 }, { digest: 'other' }]) {
      deepEqual(await store.commit(commitOf('a', { ...first.head.position, ...wrong })), conflict);
      const removal = { id: 'a', expected: { ...first.head.position, ...wrong }, reason: 'deleted' } as const;
      deepEqual(await store.remove(removal), conflict);
    }
    const absent: Outcome = { kind: 'conflict', head: null };
    deepEqual(await store.commit(commitOf('b', positionAt(1))), absent);
    deepEqual(await store.remove({ id: 'b', expected: positionAt(1), reason: 'deleted' }), absent);
    deepEqual(plain(await store.load('a')), plain({ head: first.head, records: [recordOf(first)] }));
    equal(await store.load('b'), null);
    equal(await store.head('b'), null);
  }),

  law('1. of fifty commits that expect the same position exactly one succeeds', async ({ store }) => {
    for (const expected of [null, positionAt(1)]) {
      const rivals = range(50).map((i) => commitOf('a', expected, { payload: numbered(i) }));
      const outcomes = await Promise.all(rivals.map((rival) => store.commit(rival)));
      const winner = outcomes.findIndex(({ kind }) => kind === 'committed');
      deepEqual(kinds(outcomes), { committed: 1, conflict: 49 });
      const { records } = (await store.load('a'))!;
      deepEqual(plain(records.at(-1)), plain(recordOf(rivals[winner]!)));
      for (const outcome of outcomes.slice(winner + 1)) {
        deepEqual(outcome, { kind: 'conflict', head: rivals[winner]!.head });
      }
    }
  }),

  law('2. every answered commit is found again, in full', async ({ store, reopen }) => {
    if (reopen === undefined) return;
    await write(store, 'a', 5);
    await store.commit(
      commitOf('a', positionAt(5), {
        snapshot: Buffer.from('five'),
        request: requestOf('r'),
        expiry: { at: 9, ttl: 5 },
      }),
    );
    await write(store, 'gone', 3);
    await store.remove({ id: 'gone', expected: positionAt(3), reason: 'deleted', request: requestOf('d') });
    const see = async (from: Store) => [
      await from.load('a'),
      await from.load('gone'),
      await from.deltas('a', 0, 100),
      await from.recall('a', 'r'),
      await from.recall('gone', 'd'),
      await from.list('', undefined, 100),
      await from.due('expiry', 100, 100),
    ];
    const before = plain(await see(store));
    deepEqual(plain(await see(await reopen())), before);
  }),

  law('2. close keeps accepted writes, and refuses later ones', async ({ store, reopen }) => {
    const accepted = range(100).map((i) => store.commit(commitOf('a', i === 0 ? null : positionAt(i))));
    const closed = reopen === undefined ? store.close() : reopen();
    deepEqual(kinds(await Promise.all(accepted)), { committed: 100 });
    const again = await closed;
    if (again) equal((await again.head('a'))?.position.version, 100);
    const late = [
      () => store.load('a'),
      () => store.head('a'),
      () => store.commit(commitOf('a', positionAt(100))),
      () => store.remove({ id: 'a', expected: positionAt(100), reason: 'deleted' }),
      () => store.recall('a', 'r'),
      () => store.deltas('a', 0, 1),
      () => store.list('', undefined, 1),
      () => store.due('expiry', 0, 1),
      () => store.trim('a', 1),
      () => store.forget(0, 1),
    ];
    for (const call of late) {
      await rejects(call, { reason: 'UNAVAILABLE' });
    }
    equal(store.health().serving, false);
    await store.close();
  }),

  law('3. a thousand pipelined commits take effect in order', async ({ store }) => {
    const commits = range(1_000).map((i) => commitOf('a', i === 0 ? null : positionAt(i), { payload: numbered(i) }));
    deepEqual(kinds(await Promise.all(commits.map((commit) => store.commit(commit)))), { committed: 1_000 });
    deepEqual(plain((await store.load('a'))!.records), plain(commits.map(recordOf)));
  }),

  law('3. commits that depend on a conflicting commit do not happen', async ({ store }) => {
    await write(store, 'bystander', 1);
    const outcomes = await Promise.all(
      range(1_000).flatMap((i) => {
        // The commit in the middle expects another digest, and the later ones expect the position it would have made.
        const line = i < 500 ? '' : 'lost';
        const expected = i === 0 ? null : positionAt(i, i === 500 ? 'elsewhere' : line);
        const other = commitOf('bystander', positionAt(i + 1));
        return [store.commit(commitOf('a', expected, { line })), store.commit(other)];
      }),
    );
    const [ofA, ofBystander] = [outcomes.filter((_, i) => i % 2 === 0), outcomes.filter((_, i) => i % 2 === 1)];
    deepEqual(kinds(ofA.slice(0, 500)), { committed: 500 });
    deepEqual(kinds(ofA.slice(500)), { conflict: 500 });
    deepEqual(kinds(ofBystander), { committed: 1_000 });
    deepEqual((await store.head('a'))?.position, positionAt(500));
    equal((await store.load('a'))!.records.length, 500);
  }),

  law('3. removing and creating again may be pipelined too', async ({ store }) => {
    const outcomes = await Promise.all([
      store.commit(commitOf('a', null)),
      store.commit(commitOf('a', positionAt(1), { snapshot: Buffer.from('two') })),
      store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' }),
      store.commit(commitOf('a', null, { line: 'second', epoch: 'second' })),
      store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' }),
      store.commit(commitOf('a', positionAt(1, 'second', 'second'), { line: 'second' })),
    ]);
    deepEqual(
      outcomes.map(({ kind }) => kind),
      ['committed', 'committed', 'committed', 'committed', 'conflict', 'committed'],
    );
    const { head, snapshot, records } = (await store.load('a'))!;
    deepEqual(head.position, positionAt(2, 'second', 'second'));
    equal(snapshot, undefined);
    deepEqual(
      records.map(({ position }) => position),
      [positionAt(1, 'second', 'second'), positionAt(2, 'second', 'second')],
    );
  }),

  law('4. a repeated request id is answered with the first result, whatever the position', async ({ store }) => {
    const request = requestOf('r');
    const repeat = { ...request, fingerprint: 'another', result: Buffer.from('another'), at: 99 };
    const duplicate = plain({ kind: 'duplicate', first: request });
    await store.commit(commitOf('a', null, { request }));
    await write(store, 'a', 3, 1);
    deepEqual(plain(await store.commit(commitOf('a', null, { request: repeat }))), duplicate);
    deepEqual(plain(await store.commit(commitOf('a', positionAt(3), { request: repeat }))), duplicate);
    const removal = { id: 'a', expected: positionAt(3), reason: 'deleted' } as const;
    deepEqual(plain(await store.remove({ ...removal, request: repeat })), duplicate);
    equal((await store.head('a'))?.position.version, 3);
    deepEqual(plain(await store.recall('a', 'r')), plain(request));
    equal(await store.recall('a', 'R'), null);
    equal(await store.recall('b', 'r'), null);
    deepEqual(await store.commit(commitOf('b', null, { request })), { kind: 'committed' }, 'ids are per context');

    const last = requestOf('remove');
    deepEqual(await store.remove({ ...removal, request: last }), { kind: 'committed' });
    deepEqual(plain(await store.remove({ ...removal, request: last })), plain({ kind: 'duplicate', first: last }));
    deepEqual(plain(await store.commit(commitOf('a', null, { request: repeat }))), duplicate, 'outlives the context');
    equal(await store.head('a'), null);
  }),

  law('4. a request id is stored without a new version, but not for a commit that conflicts', async ({ store }) => {
    await write(store, 'a', 2);
    const quiet = commitOf('a', positionAt(2), { payload: null, request: requestOf('quiet') });
    deepEqual(await store.commit(quiet), { kind: 'committed' });
    deepEqual(plain(await store.commit(quiet)), plain({ kind: 'duplicate', first: requestOf('quiet') }));
    equal((await store.load('a'))!.records.length, 2);

    const misses = commitOf('a', positionAt(1), { request: requestOf('later') });
    equal((await store.commit(misses)).kind, 'conflict');
    equal(await store.recall('a', 'later'), null);
    equal((await store.commit(commitOf('a', positionAt(2), { request: requestOf('later') }))).kind, 'committed');
  }),

  law('4. a removal of a missing context stores its request, and nothing else', async ({ store }) => {
    const nothing = { id: 'a', expected: null, reason: 'deleted', request: requestOf('none') } as const;
    deepEqual(await store.remove(nothing), { kind: 'committed' });
    equal(await store.head('a'), null);
    await write(store, 'a', 1);
    deepEqual(plain(await store.remove(nothing)), plain({ kind: 'duplicate', first: requestOf('none') }));
    const conflict = await store.remove({ ...nothing, request: requestOf('other') });
    deepEqual(conflict, { kind: 'conflict', head: await store.head('a') });
    equal(await store.recall('a', 'other'), null);
    equal((await store.list('', undefined, 10)).heads.length, 1);

    const pipelined = await Promise.all([
      store.remove({ id: 'a', expected: positionAt(1), reason: 'deleted' }),
      store.remove({ ...nothing, request: requestOf('another') }),
      store.commit(commitOf('a', null, { epoch: 'second' })),
    ]);
    deepEqual(kinds(pipelined), { committed: 3 }, 'no position that later commits depend on');
  }),

  law('4. where a request is sent twice at once, one is the duplicate of the other', async ({ store }) => {
    const commit = commitOf('a', null, { request: requestOf('r') });
    const outcomes = await Promise.all([store.commit(commit), store.commit(commit), store.commit(commit)]);
    const duplicate = { kind: 'duplicate', first: requestOf('r') } as const;
    deepEqual(plain(outcomes), plain([{ kind: 'committed' }, duplicate, duplicate]));
    equal((await store.head('a'))?.position.version, 1);
  }),

  law('forget drops the requests before a time, up to the limit', async ({ store }) => {
    for (const i of range(10)) {
      await store.commit(commitOf(`c${i % 3}`, null, { request: { ...requestOf(`r${i}`), at: i } }));
      await store.commit(commitOf('d', i === 0 ? null : positionAt(i), { request: { ...requestOf(`r${i}`), at: i } }));
    }
    equal(await store.forget(0, 100), 0);
    equal(await store.forget(5, 2), 2);
    ok((await store.forget(5, 100)) > 0, 'more requests were to be forgotten');
    equal(await store.forget(5, 100), 0);
    for (const i of range(10)) equal((await store.recall('d', `r${i}`)) !== null, i >= 5, `r${i}`);
    equal((await store.commit(commitOf('d', positionAt(10), { request: requestOf('r1') }))).kind, 'committed');
  }),
];
