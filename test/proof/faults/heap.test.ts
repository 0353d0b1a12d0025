/** A small heap: many times its data pass through a server whose cache fits in. Where the cache does not, the server ends, and nothing is lost. */
import test from 'ava';
import type { JsonObject } from '../../../src/model/model.js';
import { connect } from '../../support/chord.js';
import { again, count, Follower } from './clients.js';
import { COLUMNS, FULL, place, start } from './places.js';

const HEAP_MIB = 64;
const DOCUMENTS = 100;
/** Of a document: decoded they take about a megabyte. */
const MEMBERS = 4000;
const WRITES = 400;

function documentOf(i: number): JsonObject {
  return Object.fromEntries(Array.from({ length: MEMBERS }, (_, n) => [`member ${n}`, [i, `text ${i} ${n}`]]));
}

const idOf = (i: number) => `large ${i}`;
const withHeap = (cache: string, address: string) => ({
  args: ['--listen', address, '--cache-bytes', cache],
  env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}` },
});

for (const column of FULL ? COLUMNS : []) {
  test(`a heap of ${HEAP_MIB} MiB holds a server of more data; at its limit the server ends, and loses nothing (${column.name})`, async (t) => {
    t.timeout(900_000);
    const data = await place(t, column);
    const first = await start(t, column, data, withHeap('4MiB', '127.0.0.1:0'));
    const { address } = first;
    const peer = connect(t, address);
    const change = (i: number, n: number) => peer.update({ contextId: idOf(i), changes: { n } });
    for (let i = 0; i < DOCUMENTS; i++) {
      await peer.set({ contextId: idOf(i), value: documentOf(i) });
      await change(i, 1);
    }
    t.is((await first.end('SIGTERM')).code, 0);

    const second = await start(t, column, data, withHeap('4GiB', address));
    const follower = new Follower(connect(t, address), {}, () => {}, 'a');
    t.teardown(() => follower.stop());
    const answers: number[] = [];
    const counting = count(connect(t, address), 'a', 'n', WRITES, ({ version }) => void answers.push(version));
    const changed: number[] = [];
    for (let i = 0; i < DOCUMENTS; i++) {
      const answered = await change(i, 2).then(
        () => true,
        () => false,
      );
      if (answered) changed.push(i);
    }
    if (!t.true(changed.length < DOCUMENTS, 'the heap is full')) return;
    t.not((await second.end()).code, 0);

    await start(t, column, data, { args: ['--listen', address] });
    await counting;
    const { context } = await again(() => peer.get({ contextId: 'a' }));
    t.deepEqual(context!.value, { n: WRITES });
    t.deepEqual(
      answers,
      Array.from({ length: WRITES }, (_, i) => i + 1),
    );
    await follower.at('a', context!.position!);
    t.true(follower.resumed > 0);
    for (let i = 0; i < DOCUMENTS; i++) {
      const { n, ...rest } = await peer.document(idOf(i));
      t.deepEqual(rest, documentOf(i));
      t.true(n === 2 || (n === 1 && !changed.includes(i)), `document ${i}`);
    }
    t.log(`${changed.length} changes were answered before the end`);
  });
}
if (!FULL) test.skip('a small heap is filled in `make prove-release`', () => {});
