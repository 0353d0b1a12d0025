/** What changes touch, read without their values. */
import test from 'ava';
import fc from 'fast-check';
import { decodeChanges, encodeChanges } from '../../src/codec/changes.js';
import { eachTouch, type Touch } from '../../src/codec/touched.js';
import { diff } from '../../src/delta/index.js';
import { ChangeAction, Delta } from '../../src/gen/chord/v1/model.js';
import { ChordError } from '../../src/model/errors.js';
import { jsonObject } from '../support/arbitrary.js';

function touchesOf(changes: Uint8Array): Touch[] {
  const found: Touch[] = [];
  eachTouch(changes, (touch) => found.push(touch));
  return found;
}

test('paths and spans are those of the decoded changes', (t) => {
  fc.assert(
    fc.property(jsonObject, jsonObject, (a, b) => {
      const { changes, olds } = encodeChanges(diff(a, b));
      const wanted = decodeChanges(changes, olds).map((change) => {
        const span =
          change.action === 'spliced'
            ? { index: change.index, removed: change.removedCount, inserted: change.inserted.length }
            : undefined;
        return { path: change.path, span };
      });
      t.deepEqual(touchesOf(changes), wanted);
    }),
  );
});

test('spans of text are in code points', (t) => {
  const textSplice = { index: 300, removedCount: 2, removed: '', inserted: 'a\u{1f600}b' };
  const change = { path: ['answer'], action: ChangeAction.SPLICED, value: undefined, oldValue: undefined };
  const changes = [{ ...change, splice: undefined, textSplice }];
  const delta = { ...Delta.decode(Buffer.alloc(0)), changes };
  t.deepEqual(touchesOf(Delta.encode(delta).finish()), [
    { path: ['answer'], span: { index: 300, removed: 2, inserted: 3 } },
  ]);
});

test('damaged bytes are DATA_LOSS', (t) => {
  const error = t.throws(() => touchesOf(Buffer.from([0x22, 0x7f, 0x0a])), { instanceOf: ChordError });
  t.is(error.reason, 'DATA_LOSS');
});
