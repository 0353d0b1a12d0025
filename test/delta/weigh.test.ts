import { fromJson, toBinary } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { DeltaMismatch, weigh, weightChange } from '../../src/delta/index.js';
import { isObject, type Json, type JsonObject } from '../../src/model/model.js';
import { jsonObject } from '../support/arbitrary.js';

/** Bytes of the document as google.protobuf.Struct, every key and value of the map written out. */
function structSize(document: JsonObject): number {
  let size = 0;
  for (const [key, value] of Object.entries(document)) {
    size += field(field(Buffer.byteLength(key)) + field(valueSize(value)));
  }
  return size;
}

function valueSize(value: Json): number {
  if (typeof value === 'number') return 9;
  if (typeof value === 'string') return field(Buffer.byteLength(value));
  if (Array.isArray(value)) return field(value.reduce<number>((size, element) => size + field(valueSize(element)), 0));
  return isObject(value) ? field(structSize(value)) : 2;
}

/** A tag, the length, and that many bytes. */
function field(length: number): number {
  let varint = 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) varint++;
  return 1 + varint + length;
}

function within(t: ExecutionContext, document: JsonObject): void {
  const size = structSize(document);
  const weight = weigh(document);
  t.true(size <= weight, `${size} bytes weigh ${weight}`);
  t.true(weight <= 2 * size + 8, `${size} bytes weigh ${weight}`);
}

function wrapped(value: Json, levels: number, wrap: (value: Json) => Json): JsonObject {
  let whole = value;
  for (let level = 0; level < levels; level++) whole = wrap(whole);
  return { '': whole };
}

test('the sizes that these tests compare with are those of a real encoder', (t) => {
  fc.assert(
    fc.property(jsonObject, (document) => {
      t.is(structSize(document), toBinary(StructSchema, fromJson(StructSchema, document)).length);
    }),
    { numRuns: 1000 },
  );
});

test('a weight is at least the size on the wire, and at most twice it', (t) => {
  fc.assert(
    fc.property(jsonObject, (document) => within(t, document)),
    { numRuns: 3000 },
  );
});

test('so it is for small and large strings, keys and lists, and deep within containers', (t) => {
  for (const length of [
    0, 1, 100, 115, 118, 119, 120, 121, 127, 128, 15_990, 15_999, 16_000, 16_384, 1_999_999, 2_097_152,
  ]) {
    const text = 'x'.repeat(length);
    within(t, { text });
    within(t, { [text]: null });
    within(t, { [text]: [text, {}] });
    within(t, { list: new Array<Json>(length).fill(null) });
    for (const value of [
      text,
      [text],
      { [text]: true },
      new Array<Json>(length).fill(true),
      new Array<Json>(length >> 4).fill([]),
    ]) {
      within(
        t,
        wrapped(value, 30, (inner) => [inner]),
      );
      within(
        t,
        wrapped(value, 30, (inner) => ({ '': inner })),
      );
    }
  }
});

test('a change without its old value has no weight', (t) => {
  const path = ['a'];
  t.throws(() => weightChange([{ action: 'removed', path }]), { instanceOf: DeltaMismatch });
  t.throws(() => weightChange([{ action: 'modified', path, value: 1 }]), { instanceOf: DeltaMismatch });
  t.throws(() => weightChange([{ action: 'spliced', path, index: 0, removedCount: 1, inserted: [] }]), {
    instanceOf: DeltaMismatch,
  });
});
