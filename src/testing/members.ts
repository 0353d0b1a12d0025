/** The laws of members that expire: promise 9 of the store contract, and what records say of their writers. */
import { deepEqual, equal } from 'node:assert/strict';
import { PROVENANCE_BYTES_MAX } from '../model/model.js';
import type { Member, MemberChanges } from '../store/store.js';
import { commitOf, ids, plain, positionAt, range, recordOf } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

export const memberLaws: readonly StoreLaw[] = [
  law('9. members: they are stored with their commit, and read with the context', async ({ store }) => {
    const [one, two] = [member(1, 500), member(2, 400)];
    const mark = { stamp: 7, due: 400 };
    const created = commitOf('a', null, { mark, members: set(two, one) });
    equal((await store.commit(created)).kind, 'committed');
    deepEqual(await store.members('a'), [one, two]);
    deepEqual(plain((await store.load('a'))?.members), [one, two]);
    deepEqual(await store.head('a'), created.head);
    deepEqual(await store.due('members', 399, 10), []);
    deepEqual(await store.due('members', 400, 10), [{ id: 'a', key: 400 }]);
    deepEqual(await store.members('missing'), []);
  }),

  law(
    '9. members: a commit that expects another stamp is a conflict, also without a new version',
    async ({ store }) => {
      await store.commit(commitOf('a', null, { mark: { stamp: 7, due: 400 }, members: set(member(1, 400)) }));
      const at = positionAt(1);
      for (const stamp of [undefined, 8]) {
        const commit = commitOf('a', at, { stamp, payload: null, mark: { stamp: 9, due: 1 } });
        equal((await store.commit(commit)).kind, 'conflict', `stamp ${stamp}`);
        equal((await store.commit(commitOf('a', at, { stamp, mark: { stamp: 9, due: 1 } }))).kind, 'conflict');
      }
      equal(
        (await store.commit(commitOf('b', null, { stamp: 8 }))).kind,
        'committed',
        'there is nothing to differ from',
      );
      equal((await store.commit(commitOf('b', at, { stamp: 8 }))).kind, 'conflict', 'no member expires');
      deepEqual(await store.members('a'), [member(1, 400)]);
    },
  ),

  law('9. members: pipelined commits depend on the stamp of the one before', async ({ store }) => {
    await store.commit(commitOf('a', null));
    const at = positionAt(1);
    const marks = range(20).map((i) => ({ stamp: 100 + i, due: 400 }));
    const outcomes = await Promise.all(
      marks.map((mark, i) => {
        const stamp = i === 0 ? undefined : marks[i - 1]?.stamp;
        return store.commit(commitOf('a', at, { stamp, payload: null, mark, members: set(member(i + 1, 400)) }));
      }),
    );
    deepEqual(new Set(outcomes.map(({ kind }) => kind)), new Set(['committed']));
    equal((await store.members('a')).length, 20);
  }),

  law('9. members: a renewal moves a time forward and never back, and keeps the stamp', async ({ store }) => {
    const mark = { stamp: 7, due: 400 };
    await store.commit(commitOf('a', null, { mark, members: set(member(1, 400)) }));
    const renew = (at: number) =>
      commitOf('a', positionAt(1), { stamp: 7, payload: null, mark, members: set(member(1, at)) });
    await Promise.all([900, 600, 800].map((at) => store.commit(renew(at))));
    deepEqual(await store.members('a'), [member(1, 900)]);
    const other = commitOf('a', positionAt(1), {
      stamp: 7,
      payload: null,
      mark: { stamp: 8, due: 300 },
      members: set(member(1, 300)),
    });
    equal((await store.commit(other)).kind, 'committed');
    deepEqual(await store.members('a'), [member(1, 300)], 'with a new stamp the time is as given');
    deepEqual(await ids(store.due('members', 300, 10)), ['a'], 'and so is the index');
  }),

  law('9. members: an end that depends on a time is a conflict after a renewal', async ({ store }) => {
    const mark = { stamp: 7, due: 400 };
    await store.commit(commitOf('a', null, { mark, members: set(member(1, 400), member(2, 400)) }));
    const end = (at: number) =>
      commitOf('a', positionAt(1), {
        stamp: 7,
        cause: 'expired',
        mark: { stamp: 8, due: 400 },
        members: { set: [], ended: [{ number: 1, at }] },
      });
    await store.commit(commitOf('a', positionAt(1), { stamp: 7, payload: null, mark, members: set(member(1, 500)) }));
    equal((await store.commit(end(400))).kind, 'conflict');
    equal((await store.commit(end(500))).kind, 'committed');
    deepEqual(await store.members('a'), [member(2, 400)]);
  }),

  law('9. members: without a mark all are gone, and none of them comes back', async ({ store, reopen }) => {
    const many = range(30).map((i) => member(i + 1, 400 + i));
    await store.commit(commitOf('a', null, { mark: { stamp: 7, due: 400 }, members: set(...many) }));
    await store.commit(commitOf('a', positionAt(1), { stamp: 7, payload: null }));
    deepEqual(await store.members('a'), []);
    equal((await store.load('a'))?.members, undefined);
    deepEqual(await store.due('members', 1_000, 10), []);
    await store.commit(commitOf('a', positionAt(1), { mark: { stamp: 9, due: 50 }, members: set(member(3, 50)) }));
    deepEqual(await store.members('a'), [member(3, 50)]);

    await store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' });
    deepEqual(await store.members('a'), []);
    deepEqual(await store.due('members', 1_000, 10), []);
    const again = commitOf('a', null, { epoch: 'second', mark: { stamp: 11, due: 60 }, members: set(member(1, 60)) });
    await store.commit(again);
    const opened = reopen ? await reopen() : store;
    deepEqual(await opened.members('a'), [member(1, 60)]);
    deepEqual(await opened.due('members', 1_000, 10), [{ id: 'a', key: 60 }]);
  }),

  law('9. members: in a batch they change with all its commits, or not at all', async ({ store }) => {
    if (!store.commitBatch) return;
    const mark = { stamp: 7, due: 400 };
    const first = commitOf('{t}a', null, { mark, members: set(member(1, 400)) });
    const both = await store.commitBatch([first, commitOf('{t}b', null, { mark, members: set(member(1, 400)) })]);
    equal(both.kind, 'committed');
    const renewal = set(member(1, 900));
    const renew = (id: string, stamp: number) =>
      commitOf(id, positionAt(1), { stamp, payload: null, mark, members: renewal });
    const torn = await store.commitBatch([renew('{t}a', 7), renew('{t}b', 8)]);
    equal(torn.kind, 'conflict');
    deepEqual(await store.members('{t}a'), [member(1, 400)]);
    equal((await store.commitBatch([renew('{t}a', 7), renew('{t}b', 7)])).kind, 'committed');
    deepEqual(await store.members('{t}a'), [member(1, 900)]);
    deepEqual(await store.members('{t}b'), [member(1, 900)]);
  }),

  law('records keep their cause and who wrote them', async ({ store, reopen }) => {
    const parts = [0, 1, 5, 6, 7, PROVENANCE_BYTES_MAX].map((length) => ({ provenance: Buffer.alloc(length, 255) }));
    const all = [{}, { cause: 'expired' as const }, { ...parts[1]!, cause: 'expired' as const }, ...parts];
    const commits = all.map((each, i) => commitOf('a', i === 0 ? null : positionAt(i), each));
    for (const [i, commit] of commits.entries()) {
      if (i % 2 === 0 || !store.commitBatch) await store.commit(commit);
      else await store.commitBatch([commit]);
    }
    const opened = reopen ? await reopen() : store;
    const history = await opened.deltas('a', 0, 10);
    deepEqual(plain(history), plain({ kind: 'records', records: commits.map(recordOf) }));
    deepEqual(plain((await opened.load('a'))?.records), plain(commits.map(recordOf)));
  }),
];

function member(number: number, at: number): Member {
  return { number, at, ttl: 100, path: `["é", "${number}"]` };
}

function set(...members: readonly Member[]): MemberChanges {
  return { set: members, ended: [] };
}
