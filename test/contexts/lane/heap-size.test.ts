/** What is counted for a decoded document is about what it takes, and changes keep the count. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import { heapChange, heapOf } from '../../../src/contexts/lane/heap-size.js';
import { diff } from '../../../src/delta/index.js';
import { openChord } from '../../../src/index.js';
import { jsonObject } from '../../support/arbitrary.js';

const run = promisify(execFile);
const measure = fileURLToPath(new URL('heap-size.ts', import.meta.url));

for (const kind of ['empty', 'numbers', 'integers', 'texts', 'long texts', 'users', 'lists', 'nulls', 'deep']) {
  test(`a document of ${kind} takes about what is counted`, async (t) => {
    const { stdout } = await run(process.execPath, ['--expose-gc', '--import=tsx', measure, kind]);
    const { grown, counted } = JSON.parse(stdout) as { grown: number; counted: number };
    t.true(counted > 0.6 * grown && counted < 3 * grown, `${kind}: ${grown} bytes of heap, counted ${counted}`);
  });
}

test('changes move the count to that of the new document', (t) => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (before, after) => {
      t.is(heapOf(before) + heapChange(diff(before, after)), heapOf(after));
    }),
  );
});

test('the cache counts what documents take, however they came to be', async (t) => {
  const chord = await openChord({ backend: 'memory', cacheBytes: 2 ** 40, maxRequestMembers: 100_000 });
  const { contexts } = chord;
  const bytes = () => contexts.cache.bytes;
  await contexts.set('a', {});
  const empty = bytes();
  const value = () => Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key${i}`, {}]));
  await contexts.update('a', { changes: value() });
  const full = bytes() - empty;
  // Its heap, and the delta in the history.
  t.true(full > 10_000 * 120, `${full}`);
  await contexts.set('a', {});
  await contexts.set('a', { n: 1 });
  t.true(bytes() < full, `${bytes()}`);
  await chord.close();
});
