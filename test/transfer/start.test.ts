/** A start that fails lets go of what it has opened. */
import test from 'ava';
import { openChord } from '../../src/server/app.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import type { Provider } from '../../src/transfer/export-provider.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';

test('where the store cannot be opened, the external store is closed', async (t) => {
  const dataDir = await temporaryDirectory(t);
  const holder = await openLmdb({ directory: dataDir });
  t.teardown(() => holder.close());
  let closed = 0;
  const none = () => Promise.reject(new Error('not used'));
  const close = async () => {
    closed++;
  };
  const provider: Provider = { save: none, load: none, list: async function* () {}, delete: none, close };
  await t.throwsAsync(openChord({ dataDir, provider }), { message: /in use/ });
  t.is(closed, 1);
});
