/** What no list of errors foresees: clients learn nothing of it but an id. */
import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import { connect, refused, serve } from '../support/chord.js';

const INTERNAL = 13;

test('a defect is INTERNAL with an id, in words that are marked as the server’s own', async (t) => {
  const store = openMemory();
  store.load = () => Promise.reject(new TypeError('secret of the inside'));
  const peer = connect(t, (await serve(t, { store, logLevel: 'silent' })).address);
  const refusal = await refused(peer.get({ contextId: 'a' }));
  t.is(refusal.code, INTERNAL);
  t.regex(refusal.message, /^internal error [0-9a-f-]{36}$/);
  // Without that a client takes it for a broken connection, and tries again.
  t.is(refusal.reason, 'INTERNAL');
});
