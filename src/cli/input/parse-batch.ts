/**
 * Parses the input of `batch`: writes as JSON objects, one a line or in a JSON array. Throws a Usage error that names
 * the faulty write.
 */
import type { Write } from '../../gen/chord/v1/context_service.js';
import type { Expected, Mutation, ReturnOptions } from '../../gen/chord/v1/model.js';
import { isObject, type Json, type JsonObject } from '../../model/model.js';
import { Usage } from '../errors.js';
import { parseJson } from './json.js';
import { expectedOf } from './options.js';
import { parseCheck, parseExpected, parsePath, parsePosition, parseTtl } from './parse.js';

type Kind = NonNullable<Write['write']>['$case'];

const CONDITIONS: readonly string[] = ['expected', 'unchanged', 'since', 'checks', 'annotations'];
/** By the kind of a write: the members that it may have beside the one that names the kind. */
const MEMBERS: Readonly<Record<Kind, readonly string[]>> = {
  set: ['value', ...CONDITIONS, 'ttl'],
  update: ['changes', 'mutations', 'allowMissing', ...CONDITIONS, 'ttl'],
  revert: ['version', ...CONDITIONS, 'ttl'],
  delete: [...CONDITIONS, 'allowMissing'],
  touch: ['ttl', 'paths'],
};
/** The batch, a write, `mutations`, a mutation, `values`. */
const LEVELS_ABOVE = 5;
const MUTATIONS: readonly string[] = ['set', 'remove', 'increment', 'append', 'splice', 'appendText', 'spliceText'];

export function parseBatch(text: string, returning: ReturnOptions): Write[] {
  const array = text.trimStart().startsWith('[');
  const writes = array
    ? (json(text, 1) as Json[])
    : text.split('\n').flatMap((line, i) => (line.trim() === '' ? [] : [json(line, i + 1)]));
  return writes.map((write, i) => at(`write ${i + 1}`, () => parseWrite(write, returning)));
}

/** Of the levels above a document, the batch and its mutations, the server knows nothing: it counts the document's. */
function json(text: string, line: number): Json {
  try {
    return parseJson(text, { line, depth: -LEVELS_ABOVE });
  } catch (error) {
    throw new Usage(`wrong JSON: ${(error as Error).message}`);
  }
}

function parseWrite(write: Json, returning: ReturnOptions): Write {
  const [kind, id] = named(write, Object.keys(MEMBERS)) as [Kind, Json];
  if (typeof id !== 'string') throw new Usage(`"${kind}" is the id of a context, a string`);
  const members = write as JsonObject;
  only(members, [kind, ...MEMBERS[kind]]);
  const ttl = text(members, 'ttl', parseTtl);
  const common = { contextId: id, expected: conditions(members), requestId: '', annotations: annotations(members) };
  const { allowMissing = false } = members;
  if (typeof allowMissing !== 'boolean') throw new Usage('"allowMissing" is true or false');
  switch (kind) {
    case 'set':
      return { write: { $case: kind, value: { ...common, value: object(members, 'value') ?? {}, ttl, returning } } };
    case 'update': {
      const { mutations = [] } = members;
      if (!Array.isArray(mutations)) throw new Usage('"mutations" is a list');
      const parsed = mutations.map((each, i) => at(`mutation ${i + 1}`, () => parseMutation(each)));
      const changes = object(members, 'changes');
      return { write: { $case: kind, value: { ...common, changes, mutations: parsed, allowMissing, ttl, returning } } };
    }
    case 'revert': {
      const version = number(members, 'version');
      return { write: { $case: kind, value: { ...common, version, ttl, returning } } };
    }
    case 'delete':
      return { write: { $case: kind, value: { ...common, allowMissing } } };
    case 'touch':
      return { write: { $case: kind, value: { contextId: id, ttl, paths: pathsOf(members) } } };
  }
}

/** `unchanged` and `checks` are lists, of paths and of checks as on the command line. */
function conditions(members: JsonObject): Expected | undefined {
  const listed = (name: string) => (members[name] === undefined ? [] : list(members, name));
  return expectedOf({
    expected: text(members, 'expected', parseExpected),
    since: text(members, 'since', parsePosition),
    unchanged: listed('unchanged').map((path) => at('unchanged', () => pathOf(path))),
    check: listed('checks').map((check) => {
      if (typeof check !== 'string') throw new Usage('"checks" is a list of strings');
      return at('checks', () => parseCheck(check));
    }),
  });
}

function annotations(members: JsonObject): Map<string, string> {
  return new Map(
    Object.entries(object(members, 'annotations') ?? {}).map(([key, value]) => {
      if (typeof value !== 'string') throw new Usage('"annotations" is an object of strings');
      return [key, value];
    }),
  );
}

function parseMutation(mutation: Json): Mutation {
  const [kind, where] = named(mutation, MUTATIONS);
  const members = mutation as JsonObject;
  const path = pathOf(where);
  switch (kind) {
    case 'set':
      only(members, [kind, 'value', 'ttl']);
      return {
        path,
        operation: { $case: kind, value: members.value ?? null },
        ttl: text(members, 'ttl', parseTtl),
      };
    case 'remove':
      only(members, [kind]);
      return { path, operation: { $case: kind, value: true } };
    case 'increment':
      only(members, [kind, 'by']);
      return { path, operation: { $case: kind, value: number(members, 'by') } };
    case 'append':
      only(members, [kind, 'values']);
      return { path, operation: { $case: kind, value: { values: list(members, 'values') } } };
    case 'appendText':
      only(members, [kind, 'text']);
      return { path, operation: { $case: kind, value: string(members, 'text') } };
    case 'spliceText': {
      only(members, [kind, 'index', 'remove', 'insert']);
      const removeCount = members.remove === undefined ? 0 : number(members, 'remove');
      const insert = members.insert === undefined ? '' : string(members, 'insert');
      return { path, operation: { $case: kind, value: { index: number(members, 'index'), removeCount, insert } } };
    }
    default: {
      only(members, ['splice', 'index', 'remove', 'insert']);
      const removeCount = members.remove === undefined ? 0 : number(members, 'remove');
      const insert = members.insert === undefined ? [] : list(members, 'insert');
      return { path, operation: { $case: 'splice', value: { index: number(members, 'index'), removeCount, insert } } };
    }
  }
}

function pathOf(path: Json): string[] {
  return parsePath(typeof path === 'string' ? path : JSON.stringify(path));
}

function pathsOf(members: JsonObject): { keys: string[] }[] {
  if (members.paths === undefined) return [];
  return list(members, 'paths').map((path) => ({ keys: pathOf(path) }));
}

/** The one member that names the kind. */
function named(value: Json, names: readonly string[]): [string, Json] {
  const found = isObject(value) ? Object.entries(value).filter(([name]) => names.includes(name)) : [];
  // In a splice, `remove` is a count, not a kind.
  const [first] = found.length > 1 ? found.filter(([name]) => name.startsWith('splice')) : found;
  if (!first) throw new Usage(`expected an object with one of ${names.join(', ')}`);
  return first;
}

function only(members: JsonObject, allowed: readonly string[]): void {
  const stray = Object.keys(members).find((name) => !allowed.includes(name));
  if (stray !== undefined) throw new Usage(`"${stray}" is not known; there are ${allowed.join(', ')}`);
}

function string(members: JsonObject, name: string): string {
  const value = members[name];
  if (typeof value !== 'string') throw new Usage(`"${name}" is a string`);
  return value;
}

function text<T>(members: JsonObject, name: string, parse: (text: string) => T): T | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw new Usage(`"${name}" is a string`);
  return at(name, () => parse(value));
}

function object(members: JsonObject, name: string): JsonObject | undefined {
  const value = members[name];
  if (value !== undefined && !isObject(value)) throw new Usage(`"${name}" is an object`);
  return value;
}

function number(members: JsonObject, name: string): number {
  const value = members[name];
  if (typeof value !== 'number') throw new Usage(`"${name}" is a number`);
  return value;
}

function list(members: JsonObject, name: string): Json[] {
  const value = members[name];
  if (!Array.isArray(value)) throw new Usage(`"${name}" is a list`);
  return value;
}

function at<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw error instanceof Usage ? new Usage(`${what}: ${error.message}`) : error;
  }
}
