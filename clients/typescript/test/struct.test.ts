/** What the vectors of the conformance suite cannot say: values that JSON has no words for. */
import test from 'ava';
import type { Json, JsonObject } from '../src/index.js';
import { decodeStruct, encodeStruct } from '../src/struct.js';

const there = (value: JsonObject) => decodeStruct(encodeStruct(value));

test('hostile keys are data', (t) => {
  const value = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"prototype":1}}');
  const back = there(value);
  t.deepEqual(Object.keys(back), ['__proto__', 'constructor']);
  t.is(Object.getPrototypeOf(back), Object.prototype);
  t.is(JSON.stringify(back), JSON.stringify(value));
});

test('leaves members out that are undefined, as JSON.stringify does', (t) => {
  t.deepEqual(there({ a: undefined, o: { b: undefined, c: null } } as unknown as JsonObject), { o: { c: null } });
});

test('-0 keeps its sign', (t) => {
  t.true(Object.is(there({ n: -0 }).n, -0));
});

const unsendable: Record<string, unknown> = {
  NaN: Number.NaN,
  infinity: Number.POSITIVE_INFINITY,
  'undefined in a list': [undefined],
  bigint: 1n,
  function: () => 1,
  Date: new Date(0),
  Map: new Map([['a', 1]]),
  'a hole in a list': new Array(1),
  'half a surrogate pair': '\ud800',
  'half a surrogate pair in a key': { '\udc00': 1 },
};
for (const [name, value] of Object.entries(unsendable)) {
  test(`refuses ${name}`, (t) => {
    t.throws(() => encodeStruct({ value: value as Json }), { instanceOf: TypeError });
  });
}

test('refuses 33 levels, and cycles', (t) => {
  let value: JsonObject = {};
  for (let i = 1; i < 32; i++) value = { a: value };
  t.deepEqual(there(value), value);
  t.throws(() => encodeStruct({ a: value }), { message: /nested over 32/ });
  const cycle: Record<string, Json> = {};
  cycle.a = cycle;
  t.throws(() => encodeStruct(cycle), { message: /nested over 32/ });
});

test('refuses bytes that end too early', (t) => {
  const bytes = encodeStruct({ a: { b: [1, 'x'] } });
  for (let length = 1; length < bytes.length; length++) t.throws(() => decodeStruct(bytes.subarray(0, length)));
});
