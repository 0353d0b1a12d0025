import assert from 'node:assert/strict';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import test from 'ava';
import fc from 'fast-check';
import { BackWriter } from '../../src/codec/writer.js';

test('integers up to 2^53 - 1 are those of the generated code', (t) => {
  const edges = [7, 14, 21, 28, 31, 32, 35, 42, 49].flatMap((bits) => [2 ** bits - 1, 2 ** bits]);
  const integers = fc.oneof(fc.constantFrom(...edges), fc.maxSafeNat());
  const writer = new BackWriter();
  fc.assert(
    fc.property(integers, (value) => {
      writer.reset();
      writer.varint(value);
      assert.deepEqual(writer.take(), new BinaryWriter().uint64(value).finish());
      assert.equal(Number(new BinaryReader(writer.take()).uint64()), value);
    }),
    { numRuns: 1000 },
  );
  t.pass();
});

test('fields written from the last to the first, past the end of the buffer again and again', (t) => {
  const writer = new BackWriter();
  const expected = new BinaryWriter();
  const texts = Array.from({ length: 5000 }, (_, i) => 'x'.repeat(i % 40) + (i % 3 === 0 ? 'ü' : ''));
  for (const text of texts) expected.string(text).double(text.length).raw(Buffer.from(text));
  for (const text of texts.toReversed()) {
    writer.raw(Buffer.from(text));
    writer.double(text.length);
    writer.string(text);
  }
  assert.ok(Buffer.from(writer.peek()).equals(expected.finish()));
  t.pass();
});
