import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import { storeLaws } from '../../src/testing/store.js';
import { testLaws } from '../support/laws.js';

testLaws(test, 'memory', storeLaws, async () => {
  const store = openMemory();
  return { store, destroy: () => store.close() };
});

test('to look for what is due among many contexts leaves the event loop to others in between', async (t) => {
  const store = openMemory();
  const position = { epoch: 'AAAAAAAA', version: 1, digest: 'BBBBBBBB' };
  const head = { position, createdAt: 1, updatedAt: 1, weight: 2 };
  const snapshot = new Uint8Array();
  await Promise.all(
    Array.from({ length: 25_000 }, (_, i) => store.commit({ id: `${i}`, expected: null, head, snapshot })),
  );
  let turns = 0;
  let next: NodeJS.Immediate;
  const count = () => {
    turns++;
    next = setImmediate(count);
  };
  next = setImmediate(count);
  const due = await store.due('idle', 1, 3);
  clearImmediate(next);
  t.deepEqual(
    due.map(({ id }) => id),
    ['0', '1', '10'],
  );
  t.true(turns >= 2, `${turns} turns`);
});
