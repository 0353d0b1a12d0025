import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import test from 'ava';
import fc from 'fast-check';
import { decodeStruct, decodeValue, encodeStruct } from '../../src/codec/struct.js';
import { BackWriter } from '../../src/codec/writer.js';
import { SetContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { ChordError } from '../../src/model/errors.js';
import type { JsonObject } from '../../src/model/model.js';
import { jsonObject } from '../support/arbitrary.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const refuses = (what: () => unknown, message: RegExp) =>
  assert.throws(what, { name: 'ChordError', reason: 'INVALID_ARGUMENT', message });

/** Whatever the bytes are: a document that the reference can read too, or INVALID_ARGUMENT. */
function decodesOrRefuses(bytes: Uint8Array): void {
  let value: JsonObject;
  try {
    value = decodeStruct(bytes);
  } catch (error) {
    assert.ok(error instanceof ChordError && error.reason === 'INVALID_ARGUMENT', `${error}`);
    return;
  }
  assert.deepEqual(decodeStruct(encodeStruct(value)), value);
  fromBinary(StructSchema, bytes);
}

test('random bytes', (t) => {
  const bytes = fc.uint8Array({ maxLength: 60 });
  const likely = fc.array(
    fc.constantFrom(0x0a, 0x12, 0x08, 0x11, 0x1a, 0x20, 0x2a, 0x32, 0, 1, 2, 3, 4, 8, 0x80, 0xff),
  );
  fc.assert(fc.property(bytes, decodesOrRefuses), { numRuns: 5000 });
  fc.assert(
    fc.property(likely, (some) => decodesOrRefuses(Uint8Array.from(some))),
    { numRuns: 5000 },
  );
  t.pass();
});

test('documents with some bytes changed, cut out or put in', (t) => {
  const edit = fc.record({ at: fc.nat(), removed: fc.nat(3), inserted: fc.array(fc.nat(255), { maxLength: 3 }) });
  fc.assert(
    fc.property(jsonObject, fc.array(edit, { minLength: 1, maxLength: 4 }), (value, edits) => {
      const bytes = [...encodeStruct(value)];
      for (const { at, removed, inserted } of edits) bytes.splice(at % (bytes.length + 1), removed, ...inserted);
      decodesOrRefuses(Uint8Array.from(bytes));
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

test('a document cut short anywhere is refused, or ends between two members', (t) => {
  const bytes = encodeStruct({ a: 1, list: [true, null, { b: 'text that is longer' }], ü: 'ö' });
  const whole = [...bytes.keys()].filter((length) => {
    try {
      decodeStruct(bytes.subarray(0, length));
      return true;
    } catch (error) {
      t.true(error instanceof ChordError);
      return false;
    }
  });
  t.is(whole.length, 3);
});

test('nesting 10,000 deep is refused on the way down', (t) => {
  // From the innermost value out: the tags that an object in an object, a list in a list stand behind.
  for (const tags of [
    [0x12, 0x0a, 0x2a],
    [0x0a, 0x32],
  ]) {
    const writer = new BackWriter();
    for (let i = 0; i < 10_000; i++) {
      for (const tag of tags) {
        writer.length(0);
        writer.byte(tag);
      }
    }
    refuses(() => decodeValue(writer.take()), /nested deeper than 32 levels/);
  }
  const groups = Buffer.alloc(20_000, hex('7b')); // field 15, start of a group, again and again
  refuses(() => decodeStruct(groups), /groups nested deeper than 32 levels/);
  t.pass();
});

test('what is refused, and why', (t) => {
  const cases: [string, RegExp][] = [
    ['11 000000000000f87f', /NaN is not a JSON number/],
    ['11 000000000000f07f', /Infinity is not a JSON number/],
    ['11 000000000000f0ff', /-Infinity is not a JSON number/],
    ['11 0000', /ends beyond its message/],
    ['1a 02 c328', /not valid UTF-8/],
    ['1a 03 eda080', /not valid UTF-8/], // a surrogate
    ['1a 02 c080', /not valid UTF-8/], // an overlong zero
    [`1a 10 ${'61'.repeat(15)} ff`, /not valid UTF-8/],
    ['1a 05 61', /ends beyond its message/],
    ['1a ffffffff0f', /ends beyond its message/],
    ['1a ffffffffff01', /integer of more than 32 bits/],
    ['20 ffffffffffffffffffff01', /integer of more than 10 bytes/],
    ['18 01', /field 3 with wire type 0/],
    ['0a 00', /field 1 with wire type 2/],
    ['2d 00000000', /field 5 with wire type 5/],
    ['02 00', /field with number 0/],
    ['7c', /wire type 4/],
    ['7e', /wire type 6/],
    ['7b 08 01', /ends beyond its message/], // a group without an end
    ['2a 04 0a 02 0a 00', /a value has no kind/], // a member without a value
    ['2a 08 0a 06 0a 01 61 12 01 08', /ends beyond its message/], // an integer out of the last byte
    ['32 02 0a 00', /a value has no kind/],
    ['', /a value has no kind/],
  ];
  for (const [bytes, message] of cases) refuses(() => decodeValue(hex(bytes)), message);
  refuses(() => decodeStruct(hex('0a 06 0a 01 ff 12 01 08')), /not valid UTF-8/);
  refuses(() => decodeStruct(hex('08 01')), /field 1 with wire type 0/);
  t.pass();
});

test('what is accepted, as protobuf demands', (t) => {
  const cases: [string, unknown][] = [
    ['08 05', null], // another number than NULL_VALUE
    ['08 ffffffffffffffffff01', null],
    ['20 80808001', true],
    ['20 8000', false],
    ['1a 03 efbfbd', '\ufffd'], // the replacement character itself
    ['1a 06 efbbbf 616263', '\ufeffabc'], // a byte order mark is text
    ['1a 01 61 20 01', true], // the last member of the oneof
    ['78 01 1a 01 61 7a 01 00 79 0000000000000000 7d 00000000 7b 78 01 7c', 'a'], // unknown fields of each type
    ['2a 00', {}],
    ['32 00', []],
    ['2a 06 0a 04 12 02 08 00', { '': null }], // a member without a key
    ['2a 09 0a 07 12 02 20 01 0a 01 61', { a: true }], // the value before the key
    ['2a 12 0a 07 0a 01 61 12 02 20 01 0a 07 0a 01 61 12 02 08 00', { a: null }], // a key twice
  ];
  for (const [bytes, value] of cases) t.deepEqual(decodeValue(hex(bytes)) as unknown, value, bytes);
});

test('within a message, a document ends where its length says', (t) => {
  const request = { ...SetContextRequest.decode(new Uint8Array()), contextId: 'x', value: { a: 'b' }, requestId: 'y' };
  const bytes = SetContextRequest.encode(request).finish();
  t.deepEqual(SetContextRequest.decode(bytes), request);
  const at = bytes.indexOf(0x12, 3) + 1;
  for (const length of [bytes[at]! - 1, bytes[at]! + 1, 0x7f]) {
    refuses(() => SetContextRequest.decode(bytes.with(at, length)), /malformed bytes/);
  }
});
