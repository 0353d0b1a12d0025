/** Large contexts with history are exported and restored in steps. */
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { type JsonObject, samePosition } from '../../src/model/model.js';
import { openChord } from '../../src/server/app.js';
import { openMemory } from '../../src/store/memory.js';
import type { Provider } from '../../src/transfer/export-provider.js';
import { Transfer } from '../../src/transfer/transfer.js';
import { documentOf } from '../support/reader.js';
import { turnsOf } from '../support/turns.js';

test('contexts to export are listed page by page, with other work in between', async (t) => {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  for (let n = 0; n < 3500; n++) await contexts.set(`${n}`, {});
  const none = async () => t.fail('nothing is saved') as never;
  const provider: Provider = {
    save: none,
    load: none,
    list: async function* () {},
    delete: none,
    close: async () => {},
  };
  const options = { store, contexts, provider, clock: Date.now, timeout: 60_000, maxDocumentBytes: 3 << 20 };
  const progress = new Transfer(options).exportAll('', false);
  t.true((await turnsOf(progress.next())) >= 4);
  await progress.return(undefined);
});

test('a large context with a history of large and small versions', async (t) => {
  const store = openMemory();
  const { contexts } = await openChord({ store });
  let text = '';
  const provider: Provider = {
    save: async (saved) => {
      text = saved.text;
    },
    load: async () => text,
    delete: async () => true,
    list: async function* () {},
    close: async () => {},
  };
  const options = { store, contexts, provider, clock: Date.now, timeout: 60_000, maxDocumentBytes: 3 << 20 };
  const transfer = new Transfer(options);

  const many = (n: number): JsonObject =>
    Object.fromEntries(Array.from({ length: 8000 }, (_, i) => [`key-${i}`, { n: -0, text: `${n}-${i}` }]));
  await contexts.set('a', { many: many(0), list: Array.from({ length: 50_000 }, (_, i) => i) });
  await contexts.update('a', { changes: { many: many(1) } });
  const splice = { kind: 'splice' as const, path: ['list'], index: 3, removeCount: 1, insert: [[-0]] };
  for (let n = 0; n < 50; n++) await contexts.update('a', { changes: { n }, mutations: [splice] });
  const before = await contexts.get('a');

  const exported = await turnsOf(transfer.export('a', true));
  t.true(exported >= 10, `exported in ${exported} turns`);
  t.true(isDeepStrictEqual(JSON.parse(text).value, documentOf(before)));
  await contexts.delete('a');
  const restored = await turnsOf(transfer.restore('a', false));
  t.true(restored >= 10, `restored in ${restored} turns`);
  const after = await contexts.get('a');
  t.true(isDeepStrictEqual(documentOf(after), documentOf(before)));
  t.true(samePosition(after.head.position, before.head.position));
  const then = await contexts.past.atVersion('a', 2);
  t.true(isDeepStrictEqual(documentOf(then).many, many(1)));
});
