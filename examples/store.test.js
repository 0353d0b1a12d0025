/** How the author of a store tests it: `node --test examples/`. Any other runner will do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { storeLaws } from 'chordstate-server/testing';
import { openJournal } from './store.js';

for (const { name, run } of storeLaws) test(name, () => run(makeSubject));

/** An empty store, how to close and open it again, and how to leave nothing behind. */
async function makeSubject() {
  const directory = await mkdtemp(join(tmpdir(), 'chord-store-'));
  let store = await openJournal(directory);
  return {
    store,
    reopen: async () => {
      await store.close();
      store = await openJournal(directory);
      return store;
    },
    destroy: async () => {
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}
