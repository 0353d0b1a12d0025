import assert from 'node:assert/strict';
import { fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { StructSchema, ValueSchema } from '@bufbuild/protobuf/wkt';
import test from 'ava';
import fc from 'fast-check';
import { decodeStruct, decodeValue, EncodedStruct, encodeStruct, encodeValue } from '../../src/codec/struct.js';
import { decodeStructInSteps, encodeStructInSteps, encodeValueInSteps } from '../../src/codec/struct-steps.js';
import { UpdateContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { Context, ListValues, type Mutation } from '../../src/gen/chord/v1/model.js';
import { type Json, type JsonObject, MAX_DEPTH, setMember } from '../../src/model/model.js';
import { jsonObject, jsonValue } from '../support/arbitrary.js';
import { stepsOf } from '../support/turns.js';

// The reference is the runtime of another generator, protobuf-es, which shares no code with this codec.
const reference = {
  encode: (value: JsonObject) => toBinary(StructSchema, fromJson(StructSchema, value)),
  decode: (bytes: Uint8Array) => toJson(StructSchema, fromBinary(StructSchema, bytes)) as JsonObject,
  encodeValue: (value: Json) => toBinary(ValueSchema, fromJson(ValueSchema, value)),
};

const anyText = fc.string({ unit: 'binary', maxLength: 40 });
const anyKeys: fc.Arbitrary<JsonObject> = fc.array(fc.tuple(anyText, anyText), { maxLength: 20 }).map((members) => {
  const object: JsonObject = {};
  for (const [key, value] of members) setMember(object, key, value);
  return object;
});
const documents = fc.oneof(jsonObject, anyKeys);

function nested(levels: number, wrap: (inner: Json) => Json): Json {
  let value: Json = 1;
  for (let i = 0; i < levels; i++) value = wrap(value);
  return value;
}
const inObject = (inner: Json): Json => ({ a: inner });
const inList = (inner: Json): Json => [inner];

const refuses = (what: () => unknown, message: RegExp) =>
  assert.throws(what, { name: 'ChordError', reason: 'INVALID_ARGUMENT', message });

test('encodes to the very bytes of the reference', (t) => {
  fc.assert(fc.property(documents, (value) => assert.deepEqual(encodeStruct(value), reference.encode(value))));
  fc.assert(fc.property(jsonValue, (value) => assert.deepEqual(encodeValue(value), reference.encodeValue(value))));
  t.pass();
});

test('decodes what the reference encoded, and the reference decodes what it encoded', (t) => {
  fc.assert(
    fc.property(documents, (value) => {
      assert.deepEqual(decodeStruct(reference.encode(value)), value);
      assert.deepEqual(reference.decode(encodeStruct(value)), value);
    }),
  );
  fc.assert(fc.property(jsonValue, (value) => assert.deepEqual(decodeValue(encodeValue(value)), value)));
  t.pass();
});

test('keys of every length and script come back, whatever was read before', (t) => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '字', '😀'), maxLength: 30 });
  fc.assert(
    fc.property(fc.array(letters, { minLength: 1, maxLength: 30 }), (keys) => {
      const object = Object.fromEntries(keys.map((key, i) => [key, i]));
      assert.deepEqual(decodeStruct(encodeStruct(object)), object);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('__proto__ is a key like any other', (t) => {
  const value = JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"hasOwnProperty":null}');
  const back = decodeStruct(encodeStruct(value));
  t.deepEqual(Object.keys(back), ['__proto__', 'constructor', 'hasOwnProperty']);
  t.is(Object.getPrototypeOf(back), Object.prototype);
  t.is(JSON.stringify(back), JSON.stringify(value));
  t.false('polluted' in {});
});

test('numbers come back to the last bit', (t) => {
  const numbers = [0, -0, 1, -1, 0.1, 2 ** 53, -(2 ** 53), Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON];
  assert.deepStrictEqual(decodeValue(encodeValue(numbers)), numbers);
  t.true(Object.is(decodeValue(encodeValue(-0)), -0));
});

test('a document that outgrows the scratch buffer is whole, and so is the next one', (t) => {
  const large = { text: 'ü'.repeat(700_000), list: Array.from({ length: 50_000 }, (_, i) => `element ${i}`) };
  t.deepEqual(decodeStruct(encodeStruct(large)), large);
  t.deepEqual(decodeStruct(encodeStruct({ a: 1 })), { a: 1 });
});

test('objects and lists nest 32 levels and no more', (t) => {
  for (const wrap of [inObject, inList]) {
    const deepest = nested(MAX_DEPTH, wrap);
    t.deepEqual(decodeValue(encodeValue(deepest)), deepest);
    refuses(() => encodeValue(nested(MAX_DEPTH + 1, wrap)), /nested deeper than 32 levels/);
    const tooDeep = reference.encodeValue(nested(MAX_DEPTH + 1, wrap));
    refuses(() => decodeValue(tooDeep), /nested deeper than 32 levels/);
  }
  const document = nested(MAX_DEPTH, inObject) as JsonObject;
  t.deepEqual(decodeStruct(encodeStruct(document)), document);
  refuses(() => encodeStruct({ a: document }), /nested deeper than 32 levels/);
  refuses(() => decodeStruct(reference.encode({ a: document })), /nested deeper than 32 levels/);
});

test('what is not JSON is not encoded', (t) => {
  const circle: JsonObject = {};
  circle.self = circle;
  const cases: [unknown, RegExp][] = [
    [undefined, /undefined is not JSON/],
    [() => 1, /function is not JSON/],
    [1n, /bigint is not JSON/],
    [Symbol('s'), /symbol is not JSON/],
    [Number.NaN, /NaN is not a JSON number/],
    [Number.NEGATIVE_INFINITY, /-Infinity is not a JSON number/],
    ['\ud800', /a lone surrogate/],
    [`${'long '.repeat(20)}\udc00`, /a lone surrogate/],
    [new Date(0), /only plain objects and lists/],
    [new Map(), /only plain objects and lists/],
    [new EncodedStruct(new Uint8Array()), /only plain objects and lists/],
    [circle, /nested deeper than 32 levels/],
  ];
  for (const [value, message] of cases) {
    refuses(() => encodeValue(value as Json), message);
    refuses(() => encodeStruct({ deep: [{ inside: value as Json }] }), message);
  }
  refuses(() => encodeStruct({ '\ud800': 1 }), /a lone surrogate/);
  refuses(() => encodeStruct([1] as unknown as JsonObject), /only plain objects and lists/);
  refuses(() => encodeValue(new Array(1) as Json), /undefined is not JSON/);
  t.deepEqual(decodeStruct(encodeStruct(Object.assign(Object.create(null), { a: 1 }))), { a: 1 });
});

test('generated messages carry plain objects and values', (t) => {
  fc.assert(
    fc.property(jsonObject, fc.array(jsonValue), jsonValue, (changes, values, set) => {
      const mutations: Mutation[] = [
        { path: ['a'], operation: { $case: 'set', value: set }, ttl: undefined },
        { path: ['b'], operation: { $case: 'append', value: { values } }, ttl: undefined },
      ];
      const request = { ...UpdateContextRequest.decode(new Uint8Array()), contextId: 'x', changes, mutations };
      assert.deepEqual(UpdateContextRequest.decode(UpdateContextRequest.encode(request).finish()), request);
    }),
  );
  t.deepEqual(ListValues.decode(ListValues.encode({ values: [null, 1] }).finish()), { values: [null, 1] });
});

test('an encoded document is copied into a message as it stands', (t) => {
  fc.assert(
    fc.property(jsonObject, (value) => {
      const context = { ...Context.decode(new Uint8Array()), contextId: 'x', value };
      const spliced = { ...context, value: new EncodedStruct(encodeStruct(value)) };
      assert.deepEqual(Context.encode(spliced).finish(), Context.encode(context).finish());
    }),
  );
  t.pass();
});

test('decoding and encoding in steps come to the same, whatever is large in it', (t) => {
  const text = 'x'.repeat(20_000);
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`key${i}`, i]));
  const list = Array.from({ length: 20_000 }, (_, i) => i);
  const value = { text, many, list, lists: [1, [list, {}, many], null], deep: { deep: { many, text } }, last: true };
  const check = (document: JsonObject): number => {
    const bytes = encodeStruct(document);
    const encoding = stepsOf(encodeStructInSteps(document));
    const decoding = stepsOf(decodeStructInSteps(bytes));
    t.deepEqual(encoding.result, bytes);
    t.deepEqual(decoding.result, document);
    t.deepEqual(stepsOf(encodeValueInSteps(document)).result, encodeValue(document));
    return Math.min(encoding.steps, decoding.steps);
  };
  fc.assert(fc.property(documents, (document) => void check(document)));
  t.true(check(value) > encodeStruct(value).length / 20_000);
});

test('encoding in steps refuses what encoding refuses', (t) => {
  const deep = nested(MAX_DEPTH + 1, (inner) => ({ inner, list: Array.from({ length: 100 }, () => 1) })) as JsonObject;
  for (const value of [deep, { list: [...Array.from({ length: 100 }, () => 1), new Date()] }] as JsonObject[]) {
    const refused = t.throws(() => encodeStruct(value));
    t.is(t.throws(() => stepsOf(encodeStructInSteps(value))).message, refused.message);
  }
});
