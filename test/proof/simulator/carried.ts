/**
 * Splices that are carried: asked at a place of an earlier document, and made where its elements lie by then. The lists and
 * texts of these members have no element twice, so an element is itself wherever it lies.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Mutation } from '../../../src/contexts/writes/mutations.js';
import type { Json, JsonObject } from '../../../src/model/model.js';
import type { Random } from '../random.js';

/** Members that only splices change, and writes that replace them whole. */
export const [LIST, TEXT] = ['row', 'line'] as const;

/** Elements that no other write has. */
const ELEMENTS_MAX = 4;
const CHARACTERS = 0x20000;

export type Splice = Extract<Mutation, { readonly kind: 'splice' | 'splice_text' }>;

/** Those members, new. */
export function rows(random: Random, number: number): JsonObject {
  const document: JsonObject = {};
  if (random.chance(0.7)) document[LIST] = listOf(random, number);
  if (random.chance(0.5)) document[TEXT] = textOf(listOf(random, number));
  return document;
}

/** A splice of one of those members as it is in this document; undefined where the document has none. */
export function spliceOf(random: Random, number: number, document: JsonObject): Splice | undefined {
  const key = random.pick([LIST, LIST, TEXT]);
  const before = elements(document[key]);
  if (!before) return undefined;
  const index = random.below(before.length + 1);
  const removeCount = Math.min(random.below(3), before.length - index);
  const insert = removeCount > 0 && random.chance(0.3) ? [] : listOf(random, number);
  if (key === LIST) return { kind: 'splice', path: [LIST], index, removeCount, insert };
  return { kind: 'splice_text', path: [TEXT], index, removeCount, insert: textOf(insert) };
}

export function isSplice(mutation: Mutation): mutation is Splice {
  return mutation.path[0] === LIST || mutation.path[0] === TEXT;
}

/**
 * Whether the splice, asked of the first of these documents, led from the last one to `after`: it has taken the elements that
 * its client saw, and no others; what it inserted lies between those that lay on its two sides, as far as they stayed.
 * Answers what is wrong.
 */
export function wrongCarry(splice: Splice, documents: readonly JsonObject[], after: JsonObject): string | undefined {
  const key = splice.path[0] as string;
  const states = documents.map((document) => elements(document[key]));
  const [asked, last, now] = [states[0], states.at(-1), elements(after[key])];
  if (!asked || !last || !now) return 'of nothing';
  const inserted = elements(splice.insert as Json) as Json[];
  const stays = (element: Json) => states.every((state) => state?.includes(element));
  const end = splice.index + splice.removeCount;
  const removed = asked.slice(splice.index, end);
  if (!removed.every(stays)) return 'of elements that had gone';
  const others = last.filter((element) => !removed.includes(element));
  const rest = now.filter((element) => !inserted.includes(element));
  if (!isDeepStrictEqual(others, rest)) return 'took other elements';
  const first = inserted.length > 0 ? now.indexOf(inserted[0]!) : -1;
  if (inserted.length === 0) return undefined;
  if (!isDeepStrictEqual(now.slice(first, first + inserted.length), inserted)) return 'inserted something else';
  const isAfter = (element: Json) => now.indexOf(element) > first;
  if (asked.slice(0, splice.index).some((element) => stays(element) && isAfter(element))) return 'lies too early';
  if (asked.slice(end).some((element) => stays(element) && !isAfter(element))) return 'lies too late';
  return undefined;
}

function listOf(random: Random, number: number): number[] {
  return Array.from({ length: 1 + random.below(ELEMENTS_MAX) }, (_, i) => ELEMENTS_MAX * number + i);
}

/** Outside the basic plane: each is two code units. */
function textOf(numbers: readonly number[]): string {
  return String.fromCodePoint(...numbers.map((each) => CHARACTERS + each));
}

function elements(value: Json | undefined): readonly Json[] | undefined {
  if (typeof value === 'string') return [...value];
  return Array.isArray(value) ? value : undefined;
}
