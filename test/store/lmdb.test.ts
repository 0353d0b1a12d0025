import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { open } from 'lmdb';
import { openLmdb } from '../../src/store/lmdb.js';
import { commitOf, positionAt } from '../../src/testing/commits.js';
import { storeLaws } from '../../src/testing/store.js';
import { testLaws } from '../support/laws.js';
import { temporaryDirectory } from './directories.js';

testLaws(test, 'lmdb', storeLaws, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'chord-'));
  let store = await openLmdb({ directory });
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openLmdb({ directory });
      return store;
    },
    destroy: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});

test('lmdb: nothing is left behind in any database when all is removed and forgotten', async (t) => {
  const directory = await temporaryDirectory(t);
  const store = await openLmdb({ directory });
  const ids = ['a', 'aa', 'b'];
  for (const id of ids) {
    for (const [version, at] of [50, 70, 20, 90, 10].entries()) {
      const request = { id: `r${version}`, fingerprint: 'f', result: Buffer.from('result'), at };
      const parts = { request, expiry: { at, ttl: 5 }, ...(version === 3 && { snapshot: Buffer.from('four') }) };
      await store.commit(commitOf(id, version === 0 ? null : positionAt(version), parts));
      await store.due('expiry', 60, 10);
    }
    await store.remove({ id, expected: positionAt(5), reason: 'deleted' });
  }
  t.is(await store.forget(100, 1_000), 15);
  await store.close();

  const bytes = { keyEncoding: 'binary', encoding: 'binary' } as const;
  const env = open<Buffer, Buffer>({ path: directory, noSubdir: false, maxDbs: 8, ...bytes });
  const names = [...env.getKeys()].map(String).filter((name) => name.endsWith('\0'));
  t.is(names.length, 6);
  for (const name of names) t.is(env.openDB({ name: name.slice(0, -1), ...bytes }).getCount(), 0, name);
  await env.close();
});
