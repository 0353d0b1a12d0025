import test from 'ava';
import { apply, applyInPlace, type Changes, diff, invert, merge, weigh, weightChange } from '../../src/delta/index.js';
import { copied } from '../support/arbitrary.js';
import { readTraces } from '../support/traces.js';

const WINDOWS = [2, 7, 100];

test('the laws hold on the histories of real documents', (t) => {
  for (const { name, revisions } of readTraces(t)) {
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
  t.pass();
});
