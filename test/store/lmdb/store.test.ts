import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { open } from 'lmdb';
import { verify } from '../../../src/maintenance/verify.js';
import { openLmdb } from '../../../src/store/lmdb/store.js';
import type { Store } from '../../../src/store/store.js';
import { commitOf, positionAt, write } from '../../../src/testing/commits.js';
import { storeLaws } from '../../../src/testing/store.js';
import { testLaws } from '../../support/laws.js';
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
  const env = open<Buffer, Buffer>({ path: directory, noSubdir: false, maxDbs: 9, ...bytes });
  const names = [...env.getKeys()].map(String).filter((name) => name.endsWith('\0'));
  t.is(names.length, 9);
  for (const name of names) t.is(env.openDB({ name: name.slice(0, -1), ...bytes }).getCount(), 0, name);
  await env.close();
});

/** How many records it holds now, of contexts and removals that are only noted. */
async function held(store: Store): Promise<{ contexts: number; remains: number }> {
  const { counts, parts } = store.backup!();
  for await (const _ of parts) break;
  return { contexts: counts.get('contexts')!, remains: counts.get('remains')! };
}

test('lmdb: a long log is gone at once, and its records go in steps, also after a stop', async (t) => {
  const directory = await temporaryDirectory(t);
  let store = await openLmdb({ directory });
  await write(store, 'a', 5_000);
  await write(store, 'short', 5);
  await store.remove({ id: 'a', expected: positionAt(5_000), reason: 'deleted' });
  t.is(await store.head('a'), null);
  await store.remove({ id: 'short', expected: positionAt(5), reason: 'deleted' });
  const left = await held(store);
  t.true(left.contexts > 3_000);
  t.is(left.remains, 1);
  await store.close();

  const damages: unknown[] = [];
  const seen = await verify(directory, { onDamage: (damage) => void damages.push(damage) });
  t.deepEqual(damages, []);
  t.like(seen, { contexts: 0, deltas: 0, damages: 0 });

  store = await openLmdb({ directory });
  // The next life is written while what is left of the last one goes.
  await write(store, 'a', 700);
  while ((await held(store)).remains > 0) await store.forget(0, 1);
  t.deepEqual(await held(store), { contexts: 701, remains: 0 });
  t.is((await store.load('a'))?.records.length, 700);
  t.true(store.work!.groupSizes!.count >= 8);
  await store.close();
  // Of the payloads it can make nothing, but there are no others.
  t.is((await verify(directory, { onDamage: () => {} })).deltas, 700);
});
