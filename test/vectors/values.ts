/** Documents and their bytes. */
import { encodeStruct } from '../../src/codec/struct.js';
import type { Json, JsonObject } from '../../src/model/model.js';

export interface ValueVector {
  readonly name: string;
  /** google.protobuf.Struct, base64. */
  readonly wire: string;
  readonly value: JsonObject;
  /** The bytes are one of many encodings: clients need only decode them. */
  readonly decodeOnly?: true;
}

/** Written as JSON, so that `__proto__` is a member and not a prototype. */
const documents: Readonly<Record<string, string>> = {
  empty: '{}',
  'null, {} and absence are three things': '{"null":null,"object":{},"list":[]}',
  booleans: '{"t":true,"f":false}',
  'negative zero': '{"zero":0,"minus":-0.0,"list":[-0.0,0]}',
  numbers:
    '{"one":1,"half":0.5,"third":0.3333333333333333,"minus":-12.75,"e":1e21,"tiny":5e-324,"huge":1.7976931348623157e308}',
  'integers at the edge of doubles':
    '{"safe":9007199254740991,"edge":9007199254740992,"beyond":9007199254740994,"two63":9223372036854775808,"two64":18446744073709551616,"minus":-9007199254740993}',
  'a decimal that rounds': '{"n":0.1,"sum":0.30000000000000004,"long":123456789.12345678}',
  'hostile keys':
    '{"__proto__":{"polluted":true},"constructor":1,"prototype":2,"toString":3,"hasOwnProperty":null,"action":"added","":"empty","__class__":4,"self":5}',
  'keys that look like paths': '{"a/b":1,"a.b":2,"~0":3,"a[0]":4,"$ref":5,"..":6,"%2F":7," ":8,"\\\\":9,"\\"":10}',
  'keys that look like numbers': '{"1":"a","0":"b","-1":"c","01":"d","1e3":"e"}',
  unicode:
    '{"é":"é","é":"decomposed","日本":"語","emoji":"👩‍👩‍👧‍👦","rtl":"שלום","zero":"\\u0000","bom":"\\ufeff","line":"\\u2028","last":"\\ud83d\\ude00","replacement":"\\ufffd"}',
  escapes: '{"controls":"\\u0001\\t\\n\\r\\b\\f","quote":"\\"","slash":"\\\\/"}',
  'lists of everything': '{"l":[null,true,1,"s",[],{},[[]],[{"a":[1]}]]}',
  'lists of lists': '{"l":[[],[[]],[[],[]]]}',
  'long string': `{"s":"${'0123456789'.repeat(2000)}"}`,
  'many members': `{${Array.from({ length: 300 }, (_, i) => `"key${i}":${i}`).join()}}`,
  'long list': `{"l":[${Array.from({ length: 1000 }, (_, i) => i).join()}]}`,
};

export function valueVectors(): ValueVector[] {
  const written = Object.entries(documents).map(([name, text]) => vector(name, JSON.parse(text)));
  const both = [
    vector('32 levels of objects', nested(32, 'objects')),
    vector('32 levels, lists below', nested(32, 'lists')),
  ];
  return [...written, ...both, ...otherEncodings()];
}

/** Nesting of this many levels, the root included. */
function nested(levels: number, kind: 'objects' | 'lists'): JsonObject {
  let value: Json = kind === 'objects' ? {} : [];
  for (let i = 2; i < levels; i++) value = kind === 'objects' ? { a: value } : [value];
  return { a: value };
}

function vector(name: string, value: JsonObject): ValueVector {
  return { name, wire: base64(encodeStruct(value)), value };
}

/** Bytes that mean the same, but that no encoder of ours writes. */
function otherEncodings(): ValueVector[] {
  const member = (key: string, value: number[]) => [
    0x0a,
    value.length + key.length + 4,
    0x0a,
    key.length,
    ...Buffer.from(key),
    0x12,
    value.length,
    ...value,
  ];
  const one = [0x20, 1]; // bool true
  const zero = [0x20, 0];
  return [
    ['a key twice: the last one holds', [...member('a', one), ...member('a', zero)], { a: false }],
    ['the value before its key', [0x0a, 7, 0x12, 2, ...one, 0x0a, 1, 0x61], { a: true }],
    ['a member without key', [0x0a, 4, 0x12, 2, ...one], { '': true }],
    ['unknown fields', [0x7a, 2, 1, 2, ...member('a', [...one, 0x78, 5])], { a: true }],
    ['a kind twice: the last one holds', member('a', [0x08, 0, ...one]), { a: true }],
    ['null of a number yet unknown', member('a', [0x08, 5]), { a: null }],
  ].map(([name, wire, value]) => ({
    name: name as string,
    wire: base64(Uint8Array.from(wire as number[])),
    value: value as JsonObject,
    decodeOnly: true,
  }));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
