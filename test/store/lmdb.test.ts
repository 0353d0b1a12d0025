import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openLmdb } from '../../src/store/lmdb.js';
import { testStore } from '../contract/store.js';

testStore(test, 'lmdb', async () => {
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
