/** Run with --expose-gc: how much the heap grows by documents of a kind, and how much is counted, as one line of JSON. */

import { decodeStruct, encodeStruct } from '../../../src/codec/struct.js';
import { heapOf } from '../../../src/contexts/lane/heap-size.js';
import type { Json, JsonObject } from '../../../src/model/model.js';

const members = (count: number, value: (i: number) => Json): JsonObject =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`key${i}`, value(i)]));

const KINDS: Readonly<Record<string, () => JsonObject>> = {
  empty: () => members(20_000, () => ({})),
  numbers: () => members(20_000, (i) => i + 0.5),
  integers: () => members(20_000, (i) => i),
  texts: () => members(20_000, (i) => `the text of ${i}`),
  'long texts': () => members(100, (i) => `${i}`.repeat(5000)),
  users: () => members(10_000, (i) => ({ name: `Ann the ${i}th`, age: i, tags: [`tag ${i}`, `tag ${i + 1}`] })),
  lists: () => ({ list: Array.from({ length: 50_000 }, () => []) }),
  nulls: () => ({ list: Array.from({ length: 200_000 }, () => null) }),
  deep: () => {
    let value = members(2000, (i) => ({ a: i }));
    for (let level = 0; level < 25; level++) value = { value };
    return value;
  },
};

const bytes = encodeStruct(KINDS[process.argv[2] as string]!());
const kept: JsonObject[] = [];
const used = (): number => {
  for (let i = 0; i < 3; i++) (globalThis as unknown as { gc(): void }).gc();
  return process.memoryUsage().heapUsed;
};
kept.push(decodeStruct(bytes));
const before = used();
for (let i = 0; i < 10; i++) kept.push(decodeStruct(bytes));
const grown = (used() - before) / 10;
console.log(JSON.stringify({ grown, counted: heapOf(kept[0]!) }));
