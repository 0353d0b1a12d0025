/** What people type: paths, assignments, positions, documents. Each parser throws a Usage error that says what it expects. */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Check, Expected, Mutation, Position } from '../../gen/chord/v1/model.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.js';
import { isObject, type Json, type JsonObject } from '../../model/model.js';
import { parseDuration } from '../../model/units.js';
import { Usage } from '../errors.js';
import { type JsonPlace, parseJson, parseNumber } from './json.js';

/**
 * A path: keys joined by dots, `users.ann.name`, or a JSON array of keys, `["a.b","c"]`, for keys that are empty or
 * contain dots, equals signs or spaces.
 */
export function parsePath(text: string): string[] {
  if (text.startsWith('[')) {
    const keys = tryJson(text);
    if (Array.isArray(keys) && keys.length > 0 && keys.every((key) => typeof key === 'string')) return keys as string[];
    throw new Usage(`${text} is no path: a JSON array of keys looks like '["a.b","c"]'`);
  }
  const keys = text.split('.');
  if (keys.includes('')) {
    throw new Usage(`"${text}" is no path: write keys joined by dots, or a JSON array: '["a.b","c"]'`);
  }
  return keys;
}

/** `path=text`, split after the path. A path in the form of a JSON array may contain equals signs. */
export function parseAssignment(text: string): { path: string[]; right: string } {
  for (let at = text.indexOf('='); at !== -1; at = text.indexOf('=', at + 1)) {
    const left = text.slice(0, at);
    if (!left.startsWith('[') || tryJson(left) !== undefined)
      return { path: parsePath(left), right: text.slice(at + 1) };
  }
  throw new Usage(`expected PATH=VALUE, got ${text}`);
}

export type MutationKind = 'set' | 'remove' | 'increment' | 'append' | 'splice' | 'append-text' | 'splice-text';

/** The argument of the option `--set`, `--remove` and so on. */
export function parseMutation(kind: MutationKind, text: string): Mutation {
  if (kind === 'remove') return { path: parsePath(text), operation: { $case: 'remove', value: true } };
  const { path, right } = parseAssignment(text);
  switch (kind) {
    case 'set':
      return { path, operation: { $case: 'set', value: value(right, path.length) } };
    case 'increment':
      return { path, operation: { $case: 'increment', value: parseNumber(right) } };
    case 'append':
      return { path, operation: { $case: 'append', value: { values: [value(right, path.length + 1)] } } };
    case 'splice':
      return { path, operation: { $case: 'splice', value: parseSplice(right, path.length) } };
    case 'append-text':
      return { path, operation: { $case: 'appendText', value: whole(right) } };
    case 'splice-text':
      return { path, operation: { $case: 'spliceText', value: parseTextEdit(right) } };
  }
}

/** A value below so many keys and list elements of its document. */
function value(text: string, depth: number): Json {
  if (/^\s*[^\s\d"[{-]/.test(text) && !/^\s*(?:true|false|null)\b/.test(text)) {
    throw new Usage(`not JSON: ${clip(text)} (a string needs its quotes: '"text"')`);
  }
  return json(text, { depth });
}

function json(text: string, place?: JsonPlace): Json {
  try {
    return parseJson(text, place);
  } catch (error) {
    throw new Usage(`wrong JSON: ${(error as Error).message}`);
  }
}

/** As of Array.splice: `INDEX,REMOVE[,JSON...]`. */
function parseSplice(text: string, depth: number) {
  const [index, removeCount, ...insert] = json(`[${text}]`, { depth }) as Json[];
  if (!isCount(index) || !isCount(removeCount)) {
    throw new Usage(`expected PATH=INDEX,REMOVE[,JSON...], like list=2,1,"new", got ${clip(text)}`);
  }
  return { index, removeCount, insert };
}

/** `INDEX,REMOVE[,TEXT]`: the text is all after the second comma, as it stands. */
function parseTextEdit(text: string) {
  const [, index, removeCount, insert = ''] = /^(\d{1,10}),(\d{1,10})(?:,(.*))?$/s.exec(text) ?? [];
  if (index === undefined) throw new Usage(`expected PATH=INDEX,REMOVE[,TEXT], like text=2,1,new, got ${clip(text)}`);
  return { index: Number(index), removeCount: Number(removeCount), insert: whole(insert) };
}

/** Text as it stands, of whole characters. */
function whole(text: string): string {
  if (text.isWellFormed()) return text;
  throw new Usage('a string with half of a surrogate pair');
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** JSON, `@FILE`, or `-` for standard input. */
export function parseDocument(text: string): JsonObject {
  const document = json(text === '-' ? readText(0) : text.startsWith('@') ? readText(text.slice(1)) : text);
  if (!isObject(document)) throw new Usage('a document is a JSON object: {"key": value, ...}');
  return document;
}

/** `EPOCH:VERSION:DIGEST` as every command prints it; or only a version, which is a weaker condition. */
export function parsePosition(text: string): Position {
  const match = /^(?:([^:\s]+):)?(\d{1,15})(?::([^:\s]+))?$/.exec(text);
  if (!match || (match[1] === undefined) !== (match[3] === undefined)) {
    throw new Usage(`expected a position, EPOCH:VERSION:DIGEST or a version, got "${text}"`);
  }
  return { epoch: match[1] ?? '', version: Number(match[2]), digest: match[3] ?? '' };
}

/** A version number. */
export function parseVersion(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Usage(`expected a version, got "${text}"`);
  return Number(text);
}

/** A time of RFC 3339 with its zone; seconds may be left out. */
export function parseTime(text: string): Timestamp {
  const written = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/i.test(text);
  const at = written ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw new Usage(`expected a time like 2026-11-01T12:00Z, got "${text}"`);
  return { seconds: Math.floor(at / 1000), nanos: (at - Math.floor(at / 1000) * 1000) * 1_000_000 };
}

/** `ID=POSITION`; the id may contain equals signs. */
export function parseKnown(text: string): [id: string, position: Position] {
  const at = text.lastIndexOf('=');
  if (at === -1) throw new Usage(`expected ID=POSITION, got "${text}"`);
  return [text.slice(0, at), parsePosition(text.slice(at + 1))];
}

/** A position, a version, or `absent`. */
export function parseExpected(text: string): Expected {
  if (text === 'absent') return { condition: { $case: 'absent', value: true }, checks: [] };
  const position = parsePosition(text);
  if (!position.epoch) return { condition: { $case: 'version', value: position.version }, checks: [] };
  return { condition: { $case: 'position', value: position }, checks: [] };
}

/**
 * A check of a document: `PATH=JSON`, `PATH>=NUMBER`, `PATH<=NUMBER`; `PATH` where it must exist, `!PATH` where it must not. A
 * path in the form of a JSON array may contain the operators.
 */
export function parseCheck(text: string): Check {
  if (text.startsWith('!'))
    return { path: { keys: parsePath(text.slice(1)) }, test: { $case: 'exists', value: false } };
  for (const { 0: operator, index } of text.matchAll(/[<>]?=/g)) {
    const left = text.slice(0, index);
    if (left.startsWith('[') && tryJson(left) === undefined) continue;
    const right = text.slice(index + operator.length);
    return { path: { keys: parsePath(left) }, test: testOf(operator, right) };
  }
  if (!text.startsWith('[') && /[<>]/.test(text)) throw new Usage(`${text} is no check: compare with >=, <= or =`);
  return { path: { keys: parsePath(text) }, test: { $case: 'exists', value: true } };
}

function testOf(operator: string, right: string): NonNullable<Check['test']> {
  if (operator === '=') return { $case: 'equals', value: value(right, 0) };
  return { $case: operator === '>=' ? 'atLeast' : 'atMost', value: parseNumber(right) };
}

/** A duration in the form of the API. A time to live of 0 means no expiry. */
export function parseTtl(text: string): Duration {
  const ms = parseMs(text);
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1_000_000 };
}

/** A duration in milliseconds, longer than none. */
export function parseLifetime(text: string): number {
  const ms = parseMs(text);
  if (ms === 0) throw new Usage('expected a duration above 0; leave the option out for no end');
  return ms;
}

/** A duration in milliseconds. */
export function parseMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Usage(`expected a duration like 500ms, 15s or 6h, got "${text}"`);
  return ms;
}

/** `true` or `false`. */
export function parseFlag(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new Usage(`expected true or false, got "${text}"`);
  return text === 'true';
}

/** A whole number from 1 on. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Usage(`expected a whole number from 1 on, got "${text}"`);
  return Number(text);
}

/**
 * The target of a watch: an id, or a prefix where the text ends in `*`. A final `\*` is an asterisk of the id itself.
 */
export function parseTarget(text: string): { kind: 'id' | 'prefix'; name: string } {
  if (text.endsWith('\\*')) return { kind: 'id', name: `${text.slice(0, -2)}*` };
  if (text.endsWith('*')) return { kind: 'prefix', name: text.slice(0, -1) };
  return { kind: 'id', name: text };
}

function tryJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** A file, or 0: standard input. @throws Usage where it is not UTF-8, which would be stored otherwise than it stands there */
export function readText(file: string | 0): string {
  const name = file === 0 ? 'standard input' : file;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Usage(`cannot read ${name}: ${(error as Error).message}`);
  }
  const text = bytes.toString('utf8');
  if (isUtf8(bytes)) return text.replace(/^\ufeff/, '');
  const encoded = Buffer.from(text);
  throw new Usage(`${name} is not UTF-8: byte ${bytes.findIndex((byte, i) => byte !== encoded[i]) + 1}`);
}

function clip(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
