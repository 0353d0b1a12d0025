import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import { testStore } from '../contract/store.js';

testStore(test, 'memory', async () => {
  const store = openMemory();
  return { store, destroy: () => store.close() };
});
