/**
 * JSON as people type it, read strictly: what Chord would store otherwise than it was written is refused, and each
 * refusal says where. Beyond the grammar of RFC 8259, a document has
 *
 * - numbers that a double holds: no 1e400, no integer that would be rounded (9007199254740993);
 * - each key of an object once;
 * - whole characters: no half of a surrogate pair (`"\ud800"`);
 * - at most MAX_DEPTH levels of objects and lists.
 */
import { type Json, type JsonObject, MAX_DEPTH, setMember } from '../../model/model.js';
import { Usage } from '../errors.js';

export interface JsonPlace {
  /** Number of the line that the text begins in. */
  readonly line?: number;
  /** Keys and list elements above the value in its document. */
  readonly depth?: number;
}

/** @throws Usage with line, column and path */
export function parseJson(text: string, { line = 1, depth = 0 }: JsonPlace = {}): Json {
  return new Parser(text, line, depth).whole();
}

/** @throws Usage where a double does not hold it, with nothing but the reason */
export function parseNumber(written: string): number {
  const text = written.trim();
  if (!DECIMAL.test(text)) throw new Usage(`expected a number, got "${written}"`);
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Usage(`${text} is larger than a double can be`);
  const integer = /^\+?(-?\d+)(?:\.0*)?$/.exec(text)?.[1];
  // A large double is printed with fewer digits than it has, as 123456789012345680000, and reads back from that.
  const read = integer === undefined || Number.isSafeInteger(value) || integer === String(value);
  if (!read && BigInt(integer) !== BigInt(value)) {
    throw new Usage(`${text} would be stored as ${BigInt(value)}: write a larger integer than 2^53 as a string`);
  }
  return value;
}

/** Of a number that people type: JSON takes a part of it. Other notations would pass by the check of large integers. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const WORD = /true|false|null/y;

class Parser {
  #at = 0;
  readonly #path: (string | number)[] = [];

  constructor(
    private readonly text: string,
    private readonly line: number,
    private readonly depth: number,
  ) {}

  whole(): Json {
    const value = this.#value();
    if (this.#at < this.text.length) throw this.#wrong('expected the end');
    return value;
  }

  /** With the space around it. */
  #value(): Json {
    this.#match(SPACE);
    const value = this.#bare();
    this.#match(SPACE);
    return value;
  }

  #bare(): Json {
    const first = this.text[this.#at];
    if (first === '{') return this.#object();
    if (first === '[') return this.#list();
    if (first === '"') return this.#string();
    const word = this.#match(WORD);
    if (word !== undefined) return word === 'null' ? null : word === 'true';
    const start = this.#at;
    const number = this.#match(NUMBER);
    if (number === undefined) throw this.#wrong('expected a value');
    try {
      return parseNumber(number);
    } catch (error) {
      throw this.#wrong((error as Error).message, start);
    }
  }

  #object(): JsonObject {
    const object: JsonObject = {};
    this.#items('}', () => {
      this.#match(SPACE);
      const start = this.#at;
      if (this.text[start] !== '"') throw this.#wrong('expected a key in double quotes');
      const key = this.#string();
      if (Object.hasOwn(object, key))
        throw this.#wrong(`the key ${JSON.stringify(key)} stands twice in one object`, start);
      this.#match(SPACE);
      if (this.text[this.#at++] !== ':') throw this.#wrong('expected :', this.#at - 1);
      this.#path.push(key);
      setMember(object, key, this.#value());
      this.#path.pop();
    });
    return object;
  }

  #list(): Json[] {
    const list: Json[] = [];
    this.#items(']', () => {
      this.#path.push(list.length);
      list.push(this.#value());
      this.#path.pop();
    });
    return list;
  }

  /** What stands between brackets, with commas. */
  #items(end: string, item: () => void): void {
    if (this.depth + this.#path.length >= MAX_DEPTH) throw this.#wrong(`nests deeper than ${MAX_DEPTH} levels`);
    this.#at++;
    this.#match(SPACE);
    if (this.text[this.#at] !== end) {
      item();
      while (this.text[this.#at] === ',') {
        this.#at++;
        item();
      }
    }
    if (this.text[this.#at] !== end) throw this.#wrong(`expected , or ${end}`);
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    for (let unit = 0; unit !== QUOTE; ) {
      if (unit === BACKSLASH) this.#at++;
      unit = this.text.charCodeAt(++this.#at);
      if (Number.isNaN(unit)) throw this.#wrong('a string without an end', start);
    }
    const value = this.#parsed(this.text.slice(start, ++this.#at), start);
    if (/\p{Surrogate}/u.test(value)) throw this.#wrong('a string with half of a surrogate pair', start);
    return value;
  }

  #parsed(quoted: string, start: number): string {
    try {
      return JSON.parse(quoted) as string;
    } catch {
      throw this.#wrong('a string with a wrong escape, or with a control character', start);
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #wrong(what: string, at = this.#at): Usage {
    const before = this.text.slice(0, at).split('\n');
    const path = this.#path.length > 0 ? ` in ${JSON.stringify(this.#path)}` : '';
    return new Usage(`${what} (line ${this.line + before.length - 1}, column ${before.at(-1)!.length + 1}${path})`);
  }
}
