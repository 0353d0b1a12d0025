import { fileURLToPath } from 'node:url';
import test from 'ava';
import { apply, applyInPlace, type Changes, diff, invert, merge, weigh, weightChange } from '../../src/delta/index.js';
import { histories } from '../histories/generate.js';
import { copied } from '../support/arbitrary.js';
import { readHistories, readLines } from '../support/histories.js';

const WINDOWS = [2, 7, 100];

test('the laws hold on the histories of documents', (t) => {
  for (const { name, revisions } of readHistories()) {
    const deltas: Changes[] = revisions.slice(1).map((after, i) => diff(revisions[i]!, after));
    const live = copied(revisions[0]!);
    deltas.forEach((delta, i) => {
      const [before, after] = [revisions[i]!, revisions[i + 1]!];
      t.deepEqual(apply(delta, before), after);
      t.deepEqual(apply(invert(delta), after), before);
      t.is(weigh(after), weigh(before) + weightChange(delta));
      t.deepEqual(merge([delta, invert(delta)]), []);
      applyInPlace(copied(delta as never), live);
    });
    t.deepEqual(live, revisions.at(-1)!);

    for (const size of [...WINDOWS, deltas.length]) {
      for (let from = 0; from < deltas.length; from += Math.ceil(size / 3)) {
        const window = deltas.slice(from, from + size);
        const [before, after] = [revisions[from]!, revisions[from + window.length]!];
        const merged = merge(window);
        t.deepEqual(apply(merged, before), after);
        t.deepEqual(apply(invert(merged), after), before);
      }
    }
    t.log(`${name}: ${revisions.length} revisions`);
  }
});

test('the histories in the repository are what their script makes: long, and of changes of every kind', (t) => {
  for (const [name, text] of histories()) {
    t.true(readLines(fileURLToPath(new URL(`../histories/${name}.ndjson.gz`, import.meta.url))) === text, name);
  }
  const own = readHistories().filter(({ name }) => histories().has(name.replace('.ndjson.gz', '')));
  t.is(own.length, 3);
  for (const { name, revisions } of own) {
    const deltas = revisions.slice(1).map((after, i) => diff(revisions[i]!, after));
    const kinds = new Set(deltas.flat().map(({ action }) => action));
    t.deepEqual([...kinds].sort(), ['added', 'modified', 'removed', 'spliced'], name);
    t.true(deltas.filter((delta) => delta.length > 0).length >= 300, name);
  }
});
