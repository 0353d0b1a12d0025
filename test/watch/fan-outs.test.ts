/** Fan-outs to many watchers: the answer of the write comes first, and watchers see no half batch and no gap meanwhile. */
import test from 'ava';
import { openChord } from '../../src/server/app.js';
import { Reader } from '../support/reader.js';

const MANY = 100;
/** Deltas stay below the size of the document. */
const wide = 'w'.repeat(500);

async function opened(targets: readonly string[], count = MANY) {
  const { contexts, hub } = await openChord({ backend: 'memory' });
  for (const id of ['a', 'b']) await contexts.set(id, { wide, sum: 0 });
  const readers = Array.from({ length: count }, () => new Reader(targets).open(contexts, hub));
  await Promise.all(readers.map((reader) => reader.beat()));
  const behind = (id: string, version: number) =>
    readers.filter(({ copies }) => (copies.get(id)?.position.version ?? 0) < version).length;
  return { contexts, hub, readers, behind };
}

for (const target of ['a', '*']) {
  test(`the answer of a write comes before the fan-out to many watchers of ${target}`, async (t) => {
    const { contexts, readers, behind } = await opened([target]);
    const { position } = await contexts.update('a', { changes: { n: 1 } });
    t.is(behind('a', position!.version), MANY);
    const written = await contexts.batch([
      { kind: 'update', id: 'a', changes: { n: 2 }, mutations: [] },
      { kind: 'update', id: 'b', changes: { n: 2 }, mutations: [] },
    ]);
    t.is(behind('a', written[0]!.position!.version), MANY);
    await Promise.all(readers.map((reader) => reader.beat()));
    for (const { log } of readers) {
      t.deepEqual(
        log.filter((line) => line.includes(' a ')),
        ['full initial a 1', 'delta a 1-2', 'delta a 2-3'],
      );
    }
  });
}

test('fan-outs that wait are bounded: then a write waits for the oldest', async (t) => {
  const { contexts, behind, readers } = await opened(['a']);
  let most = 0;
  const writes = Array.from({ length: 300 }, (_, n) =>
    contexts.update('a', { changes: { n } }).then(({ position }) => {
      const { version } = position!;
      for (let back = most; behind('a', version - back) > 0; back++) most = back + 1;
    }),
  );
  await Promise.all(writes);
  t.true(most > 1 && most <= 65, `${most}`);
  await Promise.all(readers.map((reader) => reader.beat()));
  t.is(behind('a', 301), 0);
  t.true(readers.every(({ log }) => log.filter((line) => line.startsWith('delta')).length === 300));
});

test('a watcher that reads while fan-outs wait shows no half batch', async (t) => {
  const { contexts, hub, readers } = await opened(['a', '*']);
  const sum = (reader: Reader, id: string) => (reader.copies.get(id)?.value?.sum ?? 0) as number;
  for (const reader of readers) {
    reader.onSettled = () => {
      if (sum(reader, 'a') + sum(reader, 'b') !== 0)
        reader.error ??= new Error(`half a batch: ${reader.log.slice(-5)}`);
    };
  }
  const update = (id: string, changes: { readonly [key: string]: number }) =>
    ({ kind: 'update', id, changes, mutations: [] }) as const;
  const writing: Promise<unknown>[] = [];
  for (let n = 1; n <= 200; n++) {
    // Some readers stop, and go on in the middle of a fan-out: they read what they lack.
    for (const [i, reader] of readers.entries()) if ((i * 7 + n) % 5 === 0) reader.room = n % 3;
    writing.push(contexts.update(n % 2 ? 'a' : 'b', { changes: { n } }));
    if (n % 3 === 0) writing.push(contexts.batch([update('a', { sum: n }), update('b', { sum: -n })]));
    if (n % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const [i, reader] of readers.entries()) if ((i * 3 + n) % 4 === 0) reader.resume();
    if (n === 100) readers.push(new Reader(['*']).open(contexts, hub));
  }
  await Promise.all(writing);
  for (const reader of readers) reader.resume();
  await Promise.all(readers.map((reader) => reader.beat()));
  for (const reader of readers) t.is(sum(reader, 'a'), 198);
});
