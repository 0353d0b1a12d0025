/** Who wrote a version, as bytes. */
import test from 'ava';
import fc from 'fast-check';
import { ANNOTATIONS_BYTES_MAX, decodeProvenance, encodeProvenance } from '../../src/codec/provenance.js';
import { Provenance } from '../../src/gen/chord/v1/model.js';

const text = fc.string({ maxLength: 12, unit: 'grapheme' });
const key = fc.oneof(fc.constantFrom('__proto__', 'constructor'), fc.string({ minLength: 1, maxLength: 12 }));
const entries = fc.uniqueArray(fc.tuple(key, text), { maxLength: 10, selector: ([name]) => name });

test('generated code and the decoder read what was written, in whatever order the annotations were given', (t) => {
  fc.assert(
    fc.property(text, entries, (author, given) => {
      const bytes = encodeProvenance(author, Object.fromEntries(given));
      t.deepEqual(encodeProvenance(author, Object.fromEntries(given.toReversed())), bytes);
      if (!bytes) return author === '' && given.length === 0;
      const generated = Provenance.decode(bytes);
      t.deepEqual({ ...generated, annotations: new Map(given) }, { cause: 0, author, annotations: new Map(given) });
      const sorted = given.toSorted(([a], [b]) => (a < b ? -1 : 1));
      t.deepEqual([...generated.annotations], sorted);
      const { annotations, ...read } = decodeProvenance(bytes);
      t.deepEqual(read, { author });
      t.deepEqual(
        Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)),
        sorted,
      );
      return true;
    }),
  );
});

test('nothing to say is nothing, and writes without annotations share the bytes of their author', (t) => {
  t.is(encodeProvenance(''), undefined);
  t.is(encodeProvenance('', {}), undefined);
  t.is(encodeProvenance('ann'), encodeProvenance('ann', {}));
  t.deepEqual(decodeProvenance(undefined), { author: '', annotations: {} });
});

test('annotations have limits', (t) => {
  const invalid = (annotations: Record<string, string>, message: RegExp) =>
    t.throws(() => encodeProvenance('ann', annotations), { message });
  const fits = { a: 'x'.repeat(ANNOTATIONS_BYTES_MAX - 9) };
  t.notThrows(() => encodeProvenance('ann', fits));
  invalid({ a: `${fits.a}x` }, /take 1025 bytes, the limit is 1024/);
  invalid({ '': 'x' }, /have an empty key/);
  invalid({ a: '\ud800' }, /lone surrogate/);
  invalid(Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`${i}`, ''])), /are more than 32/);
});
