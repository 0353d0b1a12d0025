/** Large documents that are not in memory: they are decoded in steps, and all else keeps its order. */
import test from 'ava';
import type { JsonObject } from '../../../src/model/model.js';
import { type Engine, openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import type { Store } from '../../../src/store/store.js';
import { documentOf, Reader } from '../../support/reader.js';
import { turnsOf } from '../../support/turns.js';
import { shared } from '../stores.js';

const MEMBERS = 6000;
const members = (part: number): JsonObject =>
  Object.fromEntries(Array.from({ length: MEMBERS }, (_, i) => [`${part}-${i}`, { n: i, text: 'x'.repeat(70) }]));

/** A document of some 2 MB, as a snapshot and deltas after it, or as deltas alone. */
async function stored(snapshot: boolean): Promise<{ store: Store; value: JsonObject }> {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  const value: JsonObject = {};
  if (snapshot) for (let n = 0; n < 10; n++) await contexts.set('a', { n, text: `${n}`.repeat(1e6) });
  if (snapshot) Object.assign(value, { n: 9, text: '9'.repeat(1e6) });
  for (const part of [1, 2]) {
    await contexts.update('a', { changes: members(part) }, { allowMissing: true });
    Object.assign(value, members(part));
  }
  return { store, value };
}

for (const snapshot of [true, false]) {
  const title = snapshot ? 'of a snapshot and deltas' : 'of deltas alone';
  test(`a large document ${title} is decoded in steps for a read, a write, an earlier version and a batch`, async (t) => {
    const { store, value } = await stored(snapshot);
    const cold = async () => (await openChord({ store })).contexts;
    const uses = {
      read: async () => t.deepEqual(documentOf(await (await cold()).get('a')), value),
      write: async () => void (await (await cold()).update('a', { changes: { n: 1 } })),
      revert: async () => void (await (await cold()).revert('a', snapshot ? 11 : 1)),
      batch: async () => void (await (await cold()).batch([{ kind: 'update', id: 'a', changes: {}, mutations: [] }])),
    };
    for (const [name, use] of Object.entries(uses)) {
      const turns = await turnsOf(use());
      t.true(turns >= 10, `${name}: ${turns} turns`);
    }
  });
}

test('what comes while a document is decoded is done after what waits for it', async (t) => {
  const { store } = await stored(true);
  const { contexts } = await openChord({ store });
  const order: string[] = [];
  const did = (name: string) => () => void order.push(name);
  await Promise.all([
    contexts.update('a', { changes: { n: 'first' } }).then(did('update')),
    contexts.touch('a', 1000).then(did('touch')),
    contexts.delete('a').then(did('delete')),
    contexts.set('a', { n: 'again' }).then(did('set')),
  ]);
  t.deepEqual(order, ['update', 'touch', 'delete', 'set']);
  t.deepEqual(documentOf(await contexts.get('a')), { n: 'again' });
});

test('a delta of another server reaches a large document that is not decoded yet', async (t) => {
  const { stores } = shared(2);
  const [a, b] = (await Promise.all(stores.map((store) => openChord({ store })))) as [Engine, Engine];
  for (let n = 0; n < 10; n++) await a.contexts.set('a', { n, ...members(n % 2) });
  const reader = new Reader(['a']).open(b.contexts, b.hub);
  await reader.beat();
  await a.contexts.update('a', { changes: { n: 'new' } });
  await reader.until(() => reader.copies.get('a')?.value?.n === 'new');
  t.deepEqual(reader.copies.get('a')?.value, { n: 'new', ...members(1) });
  t.deepEqual(documentOf(await b.contexts.get('a')), { n: 'new', ...members(1) });
});
