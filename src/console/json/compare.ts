/**
 * Two documents as lines side by side: what is equal is folded, what differs stands in one line, or in lines of one side
 * alone. Pure. Lists are aligned by their equal beginning and end.
 */
import { isObject, type Json, type JsonObject } from '../../../clients/typescript/src/json.js';
import { type Container, countOf, isContainer, keysOf } from './parts.js';
import { asJson } from './visible.js';

/** More lines are not made. */
export const LINES_MAX = 2000;
/** Longer texts are cut. */
const CHARACTERS_MAX = 400;
/** Of a long beginning that is equal, that many characters are shown. */
const CHARACTERS_BEFORE = 40;

export interface Line {
  readonly kind: 'same' | 'changed' | 'added' | 'removed' | 'frame';
  readonly level: number;
  /** Undefined: this side has nothing here. */
  readonly left: string | undefined;
  readonly right: string | undefined;
}

export interface Comparison {
  readonly lines: readonly Line[];
  /** There are more lines than LINES_MAX. */
  readonly cut: boolean;
  /** Lines that differ. */
  readonly changes: number;
}

export function compare(left: JsonObject, right: JsonObject): Comparison {
  const lines = new Lines();
  if (!isEqual(left, right)) lines.both('', left, right, 0);
  return { lines: lines.made.slice(0, LINES_MAX), cut: lines.made.length > LINES_MAX, changes: lines.changes };
}

class Lines {
  readonly made: Line[] = [];
  changes = 0;

  /** @param name `"key": `, or empty in lists */
  both(name: string, left: Json, right: Json, level: number): void {
    if (this.#full()) return;
    if (isObject(left) && isObject(right)) this.#objects(name, left, right, level);
    else if (Array.isArray(left) && Array.isArray(right)) this.#lists(name, left, right, level);
    else if (isContainer(left) || isContainer(right)) {
      this.one('removed', name, left, level);
      this.one('added', name, right, level);
    } else {
      const from = typeof left === 'string' && typeof right === 'string' ? beginningOf(left, right) : 0;
      this.#line('changed', level, name + brief(left, from), name + brief(right, from));
    }
  }

  one(kind: 'added' | 'removed', name: string, value: Json, level: number): void {
    if (this.#full()) return;
    const line = (text: string) =>
      kind === 'added' ? this.#line(kind, level, undefined, text) : this.#line(kind, level, text, undefined);
    if (!isContainer(value) || countOf(value) === 0) {
      line(name + brief(value));
      return;
    }
    const [open, close] = bracketsOf(value);
    line(name + open);
    if (Array.isArray(value)) for (const each of value) this.one(kind, '', each, level + 1);
    else
      for (const key of keysOf(value as JsonObject))
        this.one(kind, quoted(key), (value as JsonObject)[key]!, level + 1);
    line(close);
  }

  #objects(name: string, left: JsonObject, right: JsonObject, level: number): void {
    this.#line('frame', level, `${name}{`, `${name}{`);
    let equal = 0;
    const fold = () => {
      if (equal > 0) this.#line('same', level + 1, ...twice(`… ${members(equal)}`));
      equal = 0;
    };
    const keys = [...keysOf(left), ...keysOf(right).filter((key) => !Object.hasOwn(left, key))];
    for (const key of keys) {
      if (this.#full()) return;
      const [before, after] = [member(left, key), member(right, key)];
      if (before !== undefined && after !== undefined && isEqual(before, after)) {
        equal++;
        continue;
      }
      fold();
      if (before === undefined) this.one('added', quoted(key), after!, level + 1);
      else if (after === undefined) this.one('removed', quoted(key), before, level + 1);
      else this.both(quoted(key), before, after, level + 1);
    }
    fold();
    this.#line('frame', level, '}', '}');
  }

  #lists(name: string, left: readonly Json[], right: readonly Json[], level: number): void {
    const shorter = Math.min(left.length, right.length);
    let start = 0;
    while (start < shorter && isEqual(left[start]!, right[start]!)) start++;
    let end = 0;
    while (end < shorter - start && isEqual(left.at(-1 - end)!, right.at(-1 - end)!)) end++;
    const [leftEnd, rightEnd] = [left.length - end, right.length - end];
    this.#line('frame', level, `${name}[`, `${name}[`);
    if (start > 0) this.#line('same', level + 1, ...twice(`… ${elements(start)}`));
    const pairs = Math.min(leftEnd, rightEnd);
    for (let i = start; i < pairs; i++) this.both('', left[i]!, right[i]!, level + 1);
    for (let i = pairs; i < leftEnd; i++) this.one('removed', '', left[i]!, level + 1);
    for (let i = pairs; i < rightEnd; i++) this.one('added', '', right[i]!, level + 1);
    if (end > 0) this.#line('same', level + 1, ...twice(`… ${elements(end)}`));
    this.#line('frame', level, ']', ']');
  }

  #line(kind: Line['kind'], level: number, left: string | undefined, right: string | undefined): void {
    if (kind !== 'same' && kind !== 'frame') this.changes++;
    this.made.push({ kind, level, left, right });
  }

  #full(): boolean {
    return this.made.length > LINES_MAX;
  }
}

function twice(text: string): [string, string] {
  return [text, text];
}

const members = (count: number) => `${count.toLocaleString('en')} equal ${count === 1 ? 'member' : 'members'}`;
const elements = (count: number) => `${count.toLocaleString('en')} equal ${count === 1 ? 'element' : 'elements'}`;
const quoted = (key: string) => `${asJson(key)}: `;
const bracketsOf = (value: Container) => (Array.isArray(value) ? ['[', ']'] : ['{', '}']) as [string, string];
const member = (object: JsonObject, key: string) => (Object.hasOwn(object, key) ? object[key] : undefined);

function brief(value: Json, from = 0): string {
  if (isContainer(value)) return bracketsOf(value).join('');
  if (typeof value !== 'string') return asJson(value);
  const rest = value.length - from - CHARACTERS_MAX;
  const text = asJson(value.slice(from, from + CHARACTERS_MAX));
  return `${from > 0 ? '… ' : ''}${text}${rest > 0 ? ` … ${rest.toLocaleString('en')} more` : ''}`;
}

/** Where to begin with two texts so that their first difference is seen. */
function beginningOf(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  let same = 0;
  while (same < shorter && left[same] === right[same]) same++;
  return same < CHARACTERS_MAX / 2 ? 0 : same - CHARACTERS_BEFORE;
}

export function isEqual(a: Json, b: Json): boolean {
  if (a === b) return true;
  if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b) || countOf(a) !== countOf(b))
    return false;
  if (Array.isArray(a)) return a.every((each, i) => isEqual(each, (b as readonly Json[])[i]!));
  return keysOf(a as JsonObject).every((key) => {
    const other = member(b as JsonObject, key);
    return other !== undefined && isEqual((a as JsonObject)[key]!, other);
  });
}
