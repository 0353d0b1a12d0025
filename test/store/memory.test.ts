import test from 'ava';
import { openMemory } from '../../src/store/memory.js';
import { storeLaws } from '../../src/testing/store.js';
import { testLaws } from '../support/laws.js';

testLaws(test, 'memory', storeLaws, async () => {
  const store = openMemory();
  return { store, destroy: () => store.close() };
});
