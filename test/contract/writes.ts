/** Promises 1 to 4 of the store contract: commits, pipelines, request ids. */
import type { Outcome, Store } from '../../src/store/store.js';
import { commitOf, kinds, numbered, plain, positionAt, range, recordOf, requestOf, write } from './commits.js';
import type { Check } from './store.js';

export function testWrites(check: Check): void {
  check('1. a commit happens exactly when the context stands where it expects', async (t, { store }) => {
    const first = commitOf('a', null);
    t.deepEqual(await store.commit(first), { kind: 'committed' });
    t.deepEqual(await store.head('a'), first.head);
    const conflict: Outcome = { kind: 'conflict', head: first.head };
    t.deepEqual(await store.commit(commitOf('a', null)), conflict);
    for (const wrong of [{ epoch: 'other' }, { version: 2 }, { digest: 'other' }]) {
      t.deepEqual(await store.commit(commitOf('a', { ...first.head.position, ...wrong })), conflict);
      const removal = { id: 'a', expected: { ...first.head.position, ...wrong }, reason: 'deleted' } as const;
      t.deepEqual(await store.remove(removal), conflict);
    }
    const absent: Outcome = { kind: 'conflict', head: null };
    t.deepEqual(await store.commit(commitOf('b', positionAt(1))), absent);
    t.deepEqual(await store.remove({ id: 'b', expected: positionAt(1), reason: 'deleted' }), absent);
    t.deepEqual(plain(await store.load('a')), plain({ head: first.head, records: [recordOf(first)] }));
    t.is(await store.load('b'), null);
    t.is(await store.head('b'), null);
  });

  check('1. of fifty writers who expect the same position exactly one succeeds', async (t, { store }) => {
    for (const expected of [null, positionAt(1)]) {
      const rivals = range(50).map((i) => commitOf('a', expected, { payload: numbered(i) }));
      const outcomes = await Promise.all(rivals.map((rival) => store.commit(rival)));
      const winner = outcomes.findIndex(({ kind }) => kind === 'committed');
      t.deepEqual(kinds(outcomes), { committed: 1, conflict: 49 });
      const { records } = (await store.load('a'))!;
      t.deepEqual(plain(records.at(-1)), plain(recordOf(rivals[winner]!)));
      for (const outcome of outcomes.slice(winner + 1)) {
        t.deepEqual(outcome, { kind: 'conflict', head: rivals[winner]!.head });
      }
    }
  });

  check('2. what was answered is found again, all of it', async (t, { store, reopen }) => {
    if (reopen === undefined) {
      t.pass('the engine does not outlive the process');
      return;
    }
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
    t.deepEqual(plain(await see(await reopen())), before);
  });

  check('2. close keeps what was accepted, and refuses what comes after', async (t, { store, reopen }) => {
    const accepted = range(100).map((i) => store.commit(commitOf('a', i === 0 ? null : positionAt(i))));
    const closed = reopen === undefined ? store.close() : reopen();
    t.deepEqual(kinds(await Promise.all(accepted)), { committed: 100 });
    const again = await closed;
    if (again) t.is((await again.head('a'))?.position.version, 100);
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
      const error = await t.throwsAsync(call);
      t.like(error, { reason: 'UNAVAILABLE' });
    }
    t.false(store.health().serving);
    await t.notThrowsAsync(store.close());
  });

  check('3. a thousand pipelined commits take effect in order', async (t, { store }) => {
    const commits = range(1_000).map((i) => commitOf('a', i === 0 ? null : positionAt(i), { payload: numbered(i) }));
    t.deepEqual(kinds(await Promise.all(commits.map((commit) => store.commit(commit)))), { committed: 1_000 });
    t.deepEqual(plain((await store.load('a'))!.records), plain(commits.map(recordOf)));
  });

  check('3. what builds upon a commit that conflicts does not happen', async (t, { store }) => {
    await write(store, 'bystander', 1);
    const outcomes = await Promise.all(
      range(1_000).flatMap((i) => {
        // The one in the middle expects another digest, and the later ones build upon what it would have made.
        const line = i < 500 ? '' : 'lost';
        const expected = i === 0 ? null : positionAt(i, i === 500 ? 'elsewhere' : line);
        const other = commitOf('bystander', positionAt(i + 1));
        return [store.commit(commitOf('a', expected, { line })), store.commit(other)];
      }),
    );
    const [ofA, ofBystander] = [outcomes.filter((_, i) => i % 2 === 0), outcomes.filter((_, i) => i % 2 === 1)];
    t.deepEqual(kinds(ofA.slice(0, 500)), { committed: 500 });
    t.deepEqual(kinds(ofA.slice(500)), { conflict: 500 });
    t.deepEqual(kinds(ofBystander), { committed: 1_000 });
    t.deepEqual((await store.head('a'))?.position, positionAt(500));
    t.is((await store.load('a'))!.records.length, 500);
  });

  check('3. removing and creating again may be pipelined too', async (t, { store }) => {
    const outcomes = await Promise.all([
      store.commit(commitOf('a', null)),
      store.commit(commitOf('a', positionAt(1), { snapshot: Buffer.from('two') })),
      store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' }),
      store.commit(commitOf('a', null, { line: 'second', epoch: 'second' })),
      store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' }),
      store.commit(commitOf('a', positionAt(1, 'second', 'second'), { line: 'second' })),
    ]);
    t.deepEqual(
      outcomes.map(({ kind }) => kind),
      ['committed', 'committed', 'committed', 'committed', 'conflict', 'committed'],
    );
    const { head, snapshot, records } = (await store.load('a'))!;
    t.deepEqual(head.position, positionAt(2, 'second', 'second'));
    t.is(snapshot, undefined);
    t.deepEqual(
      records.map(({ position }) => position),
      [positionAt(1, 'second', 'second'), positionAt(2, 'second', 'second')],
    );
  });

  check(
    '4. a repeated request id is answered with the first result, wherever the context stands',
    async (t, { store }) => {
      const request = requestOf('r');
      const repeat = { ...request, fingerprint: 'another', result: Buffer.from('another'), at: 99 };
      const duplicate = plain({ kind: 'duplicate', first: request });
      await store.commit(commitOf('a', null, { request }));
      await write(store, 'a', 3, 1);
      t.deepEqual(plain(await store.commit(commitOf('a', null, { request: repeat }))), duplicate);
      t.deepEqual(plain(await store.commit(commitOf('a', positionAt(3), { request: repeat }))), duplicate);
      const removal = { id: 'a', expected: positionAt(3), reason: 'deleted' } as const;
      t.deepEqual(plain(await store.remove({ ...removal, request: repeat })), duplicate);
      t.is((await store.head('a'))?.position.version, 3);
      t.deepEqual(plain(await store.recall('a', 'r')), plain(request));
      t.is(await store.recall('a', 'R'), null);
      t.is(await store.recall('b', 'r'), null);
      t.deepEqual(
        await store.commit(commitOf('b', null, { request })),
        { kind: 'committed' },
        'each context has its own',
      );

      const last = requestOf('remove');
      t.deepEqual(await store.remove({ ...removal, request: last }), { kind: 'committed' });
      t.deepEqual(plain(await store.remove({ ...removal, request: last })), plain({ kind: 'duplicate', first: last }));
      t.deepEqual(
        plain(await store.commit(commitOf('a', null, { request: repeat }))),
        duplicate,
        'outlives the context',
      );
      t.is(await store.head('a'), null);
    },
  );

  check(
    '4. a request id is remembered without a new version, but not of a commit that conflicts',
    async (t, { store }) => {
      await write(store, 'a', 2);
      const quiet = commitOf('a', positionAt(2), { payload: null, request: requestOf('quiet') });
      t.deepEqual(await store.commit(quiet), { kind: 'committed' });
      t.deepEqual(plain(await store.commit(quiet)), plain({ kind: 'duplicate', first: requestOf('quiet') }));
      t.is((await store.load('a'))!.records.length, 2);

      const misses = commitOf('a', positionAt(1), { request: requestOf('later') });
      t.is((await store.commit(misses)).kind, 'conflict');
      t.is(await store.recall('a', 'later'), null);
      t.is((await store.commit(commitOf('a', positionAt(2), { request: requestOf('later') }))).kind, 'committed');
    },
  );

  check('4. of a request sent twice at once, one is the duplicate of the other', async (t, { store }) => {
    const commit = commitOf('a', null, { request: requestOf('r') });
    const outcomes = await Promise.all([store.commit(commit), store.commit(commit), store.commit(commit)]);
    const duplicate = { kind: 'duplicate', first: requestOf('r') } as const;
    t.deepEqual(plain(outcomes), plain([{ kind: 'committed' }, duplicate, duplicate]));
    t.is((await store.head('a'))?.position.version, 1);
  });

  check('forget takes the requests before a time, as many as it may', async (t, { store }) => {
    for (const i of range(10)) {
      await store.commit(commitOf(`c${i % 3}`, null, { request: { ...requestOf(`r${i}`), at: i } }));
      await store.commit(commitOf('d', i === 0 ? null : positionAt(i), { request: { ...requestOf(`r${i}`), at: i } }));
    }
    t.is(await store.forget(0, 100), 0);
    t.is(await store.forget(5, 2), 2);
    t.true((await store.forget(5, 100)) > 0);
    t.is(await store.forget(5, 100), 0);
    for (const i of range(10)) t.is((await store.recall('d', `r${i}`)) !== null, i >= 5, `r${i}`);
    t.is((await store.commit(commitOf('d', positionAt(10), { request: requestOf('r1') }))).kind, 'committed');
  });
}
