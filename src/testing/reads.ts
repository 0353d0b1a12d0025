/** Promises 5 to 7 of the store contract, lists, expiry, and the integrity of stored bytes. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { Store } from '../store/store.js';
import { commitOf, ids, kinds, numbered, plain, positionAt, range, recordOf, write } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

export const reads: readonly StoreLaw[] = [
  law('5. deltas are contiguous and within their limits', async ({ store }) => {
    const commits = await write(store, 'a', 20, 0, (i) => ({ payload: numbered(i, 100) }));
    const all = commits.map(recordOf);
    const deltas = async (after: number, limit: number, maxBytes?: number) => {
      const history = await store.deltas('a', after, limit, maxBytes);
      return history.kind === 'records' ? plain(history.records) : history;
    };
    deepEqual(await deltas(0, 100), plain(all));
    deepEqual(await deltas(7, 100), plain(all.slice(7)));
    deepEqual(await deltas(7, 3), plain(all.slice(7, 10)));
    deepEqual(await deltas(19, 3), plain(all.slice(19)));
    deepEqual(await deltas(20, 3), []);
    deepEqual(await deltas(21, 3), [], 'there are no records after a future version');
    const each = all[0]!.changes.length + all[0]!.olds.length;
    deepEqual(await deltas(0, 100, 3 * each), plain(all.slice(0, 3)));
    deepEqual(await deltas(0, 100, 4 * each - 1), plain(all.slice(0, 3)));
    deepEqual(await deltas(0, 100, 1), plain(all.slice(0, 1)), 'at least one');
    deepEqual(await deltas(0, 2, 100 * each), plain(all.slice(0, 2)));
    deepEqual(await store.deltas('b', 0, 10), { kind: 'truncated', oldest: 1 });
  }),

  law('5. and 6. trim stops at the snapshot, and trimmed records are reported as truncated', async ({ store }) => {
    await write(store, 'a', 10);
    equal(await store.trim('a', 10), 0, 'there is no snapshot');
    await store.commit(commitOf('a', positionAt(10), { payload: null, snapshot: Buffer.from('ten') }));
    await write(store, 'a', 20, 10);
    equal((await store.load('a'))!.records.length, 10);
    equal(await store.trim('a', 4), 4);
    equal(await store.trim('a', 4), 0);
    for (const after of [0, 1, 3]) deepEqual(await store.deltas('a', after, 5), { kind: 'truncated', oldest: 5 });
    const rest = await store.deltas('a', 4, 100);
    equal(rest.kind === 'records' && rest.records.length, 16);
    equal(await store.trim('a', 15), 6, 'only up to the snapshot');
    deepEqual(await store.deltas('a', 9, 5), { kind: 'truncated', oldest: 11 });
    const { head, snapshot, records } = (await store.load('a'))!;
    deepEqual(plain(snapshot), plain({ version: 10, bytes: Buffer.from('ten') }));
    deepEqual(
      records.map(({ position }) => position),
      range(10).map((i) => positionAt(11 + i)),
    );
    equal(head.position.version, 20);

    await store.commit(commitOf('a', positionAt(20), { snapshot: Buffer.from('twenty-one') }));
    equal(await store.trim('a', 1_000), 11);
    deepEqual(
      plain(await store.load('a')),
      plain({ head: await store.head('a'), snapshot: { version: 21, bytes: Buffer.from('twenty-one') }, records: [] }),
    );
    deepEqual(await store.deltas('a', 20, 5), { kind: 'truncated', oldest: 22 });
    deepEqual(await store.deltas('a', 21, 5), { kind: 'records', records: [] });
    await write(store, 'a', 22, 21);
    equal((await store.load('a'))!.records.length, 1);
    equal(await store.trim('nowhere', 5), 0);
  }),

  law('6. a trim and a snapshot that are pipelined keep the order of their calls', async ({ store }) => {
    await write(store, 'a', 5);
    const [early, , late] = await Promise.all([
      store.trim('a', 5),
      store.commit(commitOf('a', positionAt(5), { payload: null, snapshot: Buffer.from('five') })),
      store.trim('a', 3),
    ]);
    deepEqual([early, late], [0, 3]);
  }),

  law('a context may begin with a snapshot, at any version', async ({ store }) => {
    const restored = {
      ...commitOf('a', positionAt(41), { payload: null, snapshot: Buffer.from('doc') }),
      expected: null,
    };
    deepEqual(await store.commit(restored), { kind: 'committed' });
    deepEqual(await store.deltas('a', 0, 5), { kind: 'truncated', oldest: 42 });
    await write(store, 'a', 43, 41);
    const { snapshot, records } = (await store.load('a'))!;
    deepEqual([snapshot?.version, records.length], [41, 2]);
    equal(await store.trim('a', 43), 0);
  }),

  law('7. after a removal nothing is left, and a later life is independent', async ({ store }) => {
    await write(store, 'a', 10, 0, () => ({ expiry: { at: 5, ttl: 5 } }));
    await store.commit(commitOf('a', positionAt(10), { snapshot: Buffer.from('old'), expiry: { at: 50, ttl: 5 } }));
    await write(store, 'a2', 2);
    deepEqual(await store.remove({ id: 'a', expected: positionAt(11), reason: 'expired' }), { kind: 'committed' });
    equal(await store.load('a'), null);
    equal(await store.head('a'), null);
    deepEqual(await store.deltas('a', 0, 10), { kind: 'truncated', oldest: 1 });
    deepEqual(await ids(store.due('expiry', 1_000, 10)), []);
    deepEqual(
      (await store.list('', undefined, 10)).heads.map(({ id }) => id),
      ['a2'],
    );
    equal(await store.trim('a', 10), 0);

    const again = commitOf('a', null, { epoch: 'second', payload: numbered(1) });
    await store.commit(again);
    deepEqual(plain(await store.load('a')), plain({ head: again.head, records: [recordOf(again)] }));
    const history = await store.deltas('a', 1, 10);
    deepEqual(history, { kind: 'records', records: [] });
    equal((await store.load('a2'))!.records.length, 2);
  }),

  law('7. of a long life that ended the next ones see nothing, over a restart too', async ({ store, reopen }) => {
    const MANY = 600;
    for (let from = 0; from < MANY; from += 200) await write(store, 'a', from + 200, from);
    await store.commit(commitOf('a', positionAt(MANY), { snapshot: Buffer.from('old') }));
    const removed = store.remove({ id: 'a', expected: positionAt(MANY + 1), reason: 'deleted' });
    // The new life begins in the middle of the old log, with no history of its own.
    const second = commitOf('a', null, { epoch: 'second', payload: null, snapshot: Buffer.from('second') });
    const head = { ...second.head, position: positionAt(100, '', 'second') };
    const began = store.commit({ ...second, head });
    deepEqual(kinds(await Promise.all([removed, began])), { committed: 2 });
    const see = async (from: Store) => {
      for (const after of [0, 50, 99]) {
        deepEqual(await from.deltas('a', after, 500), { kind: 'truncated', oldest: 101 });
      }
      deepEqual(await from.deltas('a', 100, 500), { kind: 'records', records: [] });
      deepEqual(
        plain(await from.load('a')),
        plain({ head, snapshot: { version: 100, bytes: second.snapshot }, records: [] }),
      );
      equal(await from.trim('a', MANY), 0);
      deepEqual(await ids(from.due('length', -1, 10)), []);
    };
    await see(store);
    const again = reopen ? await reopen() : store;
    await see(again);

    equal((await again.remove({ id: 'a', expected: head.position, reason: 'deleted' })).kind, 'committed');
    const third = commitOf('a', null, { epoch: 'third', payload: numbered(3) });
    const next = commitOf('a', third.head.position, { epoch: 'third', payload: numbered(4) });
    await Promise.all([again.commit(third), again.commit(next)]);
    const records = [recordOf(third), recordOf(next)];
    deepEqual(plain(await again.load('a')), plain({ head: next.head, records }));
    deepEqual(plain(await again.deltas('a', 0, 500)), plain({ kind: 'records', records }));
  }),

  law('5. and 6. a trim of very many records takes them all', async ({ store }) => {
    const MANY = 600;
    for (let from = 0; from < MANY; from += 200) await write(store, 'a', from + 200, from);
    await store.commit(commitOf('a', positionAt(MANY), { snapshot: Buffer.from('all') }));
    equal(await store.trim('a', MANY - 1), MANY - 1);
    deepEqual(await store.deltas('a', 0, 5), { kind: 'truncated', oldest: MANY });
  }),

  law('a commit without payload keeps the version and replaces the rest of the head', async ({ store }) => {
    await write(store, 'a', 3);
    const touch = commitOf('a', positionAt(3), { payload: null, expiry: { at: 70, ttl: 7 } });
    await store.commit(touch);
    deepEqual(await store.head('a'), touch.head);
    const { expiry, ...lasting } = touch.head;
    deepEqual(expiry, { at: 70, ttl: 7 });
    await store.commit({ ...touch, head: lasting });
    deepEqual(await store.head('a'), lasting);
    deepEqual(await ids(store.due('expiry', 100, 10)), []);
    equal((await store.load('a'))!.records.length, 3);
  }),

  law('due: expiry answers expired contexts, soonest first, also after renewals', async ({ store }) => {
    const expire = async (id: string, at: number, version = 0) =>
      store.commit(commitOf(id, version === 0 ? null : positionAt(version), { expiry: { at, ttl: 10 } }));
    for (const [id, at] of [
      ['late', 30],
      ['soon', 10],
      ['b', 20],
      ['a', 20],
    ] as const)
      await expire(id, at);
    await write(store, 'forever', 1);
    deepEqual(await ids(store.due('expiry', 9, 10)), []);
    deepEqual(await ids(store.due('expiry', 10, 10)), ['soon']);
    deepEqual(await ids(store.due('expiry', 29, 10)), ['soon', 'a', 'b']);
    deepEqual(await ids(store.due('expiry', 100, 2)), ['soon', 'a']);
    deepEqual(await ids(store.due('expiry', 100, 10)), ['soon', 'a', 'b', 'late']);

    await expire('soon', 25, 1); // renewed, still before `late`
    await expire('a', 500, 1); // renewed far
    await expire('late', 5, 1); // shortened
    deepEqual(await ids(store.due('expiry', 4, 10)), []);
    deepEqual(await ids(store.due('expiry', 5, 10)), ['late']);
    deepEqual(await ids(store.due('expiry', 25, 2)), ['late', 'b']);
    deepEqual(await ids(store.due('expiry', 100, 10)), ['late', 'b', 'soon']);
    deepEqual(await ids(store.due('expiry', 500, 10)), ['late', 'b', 'soon', 'a']);
    for (const version of range(20)) await expire('soon', 600 + version, version + 2);
    await store.remove({ id: 'b', expected: positionAt(1), reason: 'expired' });
    deepEqual(await ids(store.due('expiry', 610, 10)), ['late', 'a']);
    deepEqual(await ids(store.due('expiry', 619, 10)), ['late', 'a', 'soon']);
  }),

  law('lists go by the bytes of the ids, in pages of any size', async ({ store }) => {
    const ids = hostileIds();
    for (const id of ids.toReversed()) await write(store, id, 1);
    const inOrder = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    for (const size of [1, 2, 7, ids.length, 1_000]) {
      const listed: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.list('', after, size);
        ok(page.heads.length <= size, 'more heads than requested');
        listed.push(...page.heads.map(({ id }) => id));
        ok(listed.length <= ids.length, 'an id of an earlier page comes again');
        after = page.next;
      } while (after !== undefined);
      deepEqual(listed, inOrder);
    }
    for (const prefix of ['a', 'a/', 'é', '\u{1f600}', '\uffff', 'x'.repeat(511), 'nothing']) {
      const { heads, next } = await store.list(prefix, undefined, 1_000);
      deepEqual(
        heads.map(({ id }) => id),
        inOrder.filter((id) => id.startsWith(prefix)),
      );
      equal(next, undefined);
    }
    const page = await store.list('a', 'a/', 1_000);
    deepEqual(
      page.heads.map(({ id }) => id),
      inOrder.filter((id) => id.startsWith('a') && Buffer.compare(Buffer.from(id), Buffer.from('a/')) > 0),
    );
    const past = await store.list('a', 'never seen', 1_000);
    deepEqual(past, { heads: [] });
    for (const id of ids) equal((await store.load(id))?.records.length, 1, JSON.stringify(id));
  }),

  law('contexts whose ids share a prefix do not mix', async ({ store }) => {
    const ids = ['a', 'aa', 'a\u0001', 'a?', 'ab'];
    for (const [i, id] of ids.entries()) await write(store, id, i + 2, 0, () => ({ snapshot: Buffer.from(id) }));
    for (const id of ids) equal(await store.trim(id, 1), 1);
    await store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' });
    for (const [i, id] of ids.entries())
      equal((await store.head(id))?.position.version, id === 'a' ? undefined : i + 2);
  }),

  law('bytes are returned unchanged', async ({ store }) => {
    const every = Buffer.from(range(256));
    const large = Buffer.alloc(3_000_000, every);
    for (const [id, bytes] of [
      ['none', Buffer.alloc(0)],
      ['every', every],
      ['large', large],
    ] as const) {
      const request = { id: 'r', fingerprint: 'f', result: bytes, at: 1 };
      await store.commit(commitOf(id, null, { payload: { changes: bytes, olds: bytes }, snapshot: bytes, request }));
      const stored = (await store.load(id))!;
      const history = await store.deltas(id, 0, 1);
      const found = [stored.snapshot!.bytes, (await store.recall(id, 'r'))!.result];
      if (history.kind === 'records') found.push(history.records[0]!.changes, history.records[0]!.olds);
      equal(found.length, 4);
      for (const each of found) ok(Buffer.compare(bytes, each) === 0, id);
    }
  }),

  law('bytes that were read do not change afterwards', async ({ store }) => {
    await write(store, 'a', 3);
    const before = (await store.load('a'))!;
    const copy = plain(before);
    await write(store, 'a', 50, 3, () => ({ snapshot: Buffer.alloc(5_000) }));
    await store.trim('a', 50);
    deepEqual(plain(before), copy);
  }),
];

/** Ids that are prefixes of one another, beyond the basic plane, at both ends of UTF-8, 512 bytes long. */
function hostileIds(): string[] {
  const long = 'x'.repeat(511);
  const marks = [
    ' ',
    '\u0001',
    '\u007f',
    '\u0080',
    '\u07ff',
    '\u0800',
    '\ud7ff',
    '\ue000',
    '\uffff',
    '\u{10000}',
    '\u{1f600}',
    '\u{10ffff}',
  ];
  return [
    'a',
    'aa',
    'a/',
    'a/b',
    'a.b',
    'a:',
    'a*',
    'b',
    'é',
    'éa',
    '__proto__',
    'constructor',
    '"',
    '\\',
    '\n',
    long,
    `${long}y`,
    `${long}z`,
    ...marks,
    ...marks.map((mark) => `a${mark}`),
    '\u{1f600}'.repeat(128),
  ];
}
