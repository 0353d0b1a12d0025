/** What requests were answered: found by the index in memory, whatever has happened to the rows. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { RequestIndex } from '../../../src/store/lmdb/request-index.js';
import { openLmdb } from '../../../src/store/lmdb/store.js';
import { commitOf, positionAt, range, requestOf } from '../../../src/testing/commits.js';

test('names are found in their rows, over many generations, and no other row is looked at', (t) => {
  const index = new RequestIndex();
  const names = range(30_000).map((i) => `room:${i % 7}\0name ${i}`);
  for (const [i, name] of names.entries()) index.add(name, Math.floor(i / 10));
  let misses = 0;
  for (const [i, name] of names.entries()) {
    const row = index.find(name, (row) => {
      if (row === Math.floor(i / 10)) return row;
      misses++;
      return undefined;
    });
    t.is(row, Math.floor(i / 10));
  }
  t.is(
    index.find('room:1\0another', () => ++misses && undefined),
    undefined,
  );
  t.true(misses < 10, `${misses} rows of other names`);
});

test('beyond its maximum the index loses its oldest names', (t) => {
  const index = new RequestIndex(10_000);
  for (const i of range(20_000)) index.add(`a\0${i}`, i);
  const found = (i: number) => index.find(`a\0${i}`, (row) => row === i || undefined) ?? false;
  t.false(found(0));
  t.true(range(5000).every((i) => found(19_999 - i)));
});

test('rows that are gone take their generations with them', (t) => {
  const index = new RequestIndex();
  for (const i of range(10_000)) index.add(`a\0${i}`, i);
  index.forget(9000);
  const looked = (i: number) => index.find(`a\0${i}`, (row) => row === i || undefined) ?? false;
  t.false(looked(0));
  t.true(looked(9999));
});

test('the memory follows the names that are remembered, not those that ever were', (t) => {
  const index = new RequestIndex();
  for (const i of range(300_000)) {
    index.add(`a\0${i}`, i);
    index.forget(i - 2000);
  }
  t.true(index.slots <= 4 * 4096, `${index.slots} slots`);
});

test('after a restart repeats are found, and what was forgotten is not', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'chord-request-log-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const options = { directory, minFreeBytes: 1 };
  const first = await openLmdb(options);
  await first.commit(commitOf('a', null));
  // One transaction: its row is kept for those that are not forgotten.
  const commits = range(10).map((i) => commitOf('a', positionAt(i + 1), { request: { ...requestOf(`r${i}`), at: i } }));
  await Promise.all(commits.map((commit) => first.commit(commit)));
  t.is(first.work!.groupSizes!.count, 2);
  t.is(await first.forget(4, 100), 4);
  await first.close();

  const second = await openLmdb(options);
  for (const i of range(10)) {
    t.is((await second.recall('a', `r${i}`))?.at, i < 4 ? undefined : i);
  }
  const repeat = await second.commit(commitOf('a', positionAt(11), { request: requestOf('r7') }));
  t.is(repeat.kind, 'duplicate');
  t.deepEqual(await second.commit(commitOf('a', positionAt(11), { request: requestOf('r1') })), { kind: 'committed' });
  t.is((await second.commit(commitOf('a', positionAt(12), { request: requestOf('r1') }))).kind, 'duplicate');
  await second.close();
});
