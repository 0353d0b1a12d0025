/** Where in a value that which cannot be sent is. Looked for only when sending has failed: who sends right pays nothing. */
import type { Check, Expected } from './conditions.js';
import { unsendable } from './errors.js';
import { type Json, type JsonObject, keysOf } from './json.js';
import type { Mutation, Path } from './model.js';
import { checkLeaf, DEPTH_MAX } from './struct.js';

/** Names ids, and keys of paths, that are not valid Unicode: the protocol would carry another text. @throws ChordError */
export function checkText(field: string, text: string | undefined): void {
  if (text !== undefined && !text.isWellFormed()) throw unsendable(field, 'is not valid Unicode');
}

/** @throws ChordError where there is a fault in the document */
export function checkDocument(field: string, document: object | undefined): void {
  if (document !== undefined) visit(field, document as JsonObject, 1);
}

/** What would be sent all the same. @throws ChordError */
export function checkPaths(mutations: readonly Mutation[]): void {
  mutations.forEach((mutation, i) => {
    checkKeys(`mutations[${i}].path`, mutation.path);
    if ('appendText' in mutation) checkText(`mutations[${i}].append_text`, mutation.appendText);
    if ('spliceText' in mutation) checkText(`mutations[${i}].splice_text.insert`, mutation.spliceText.insert);
    if ('increment' in mutation) visit(`mutations[${i}].increment`, mutation.increment, 1);
  });
}

/** @throws ChordError where there is a fault in a value of one of them */
export function checkMutations(mutations: readonly Mutation[]): void {
  mutations.forEach((mutation, i) => {
    const field = `mutations[${i}]`;
    if ('set' in mutation) visit(`${field}.set`, mutation.set as Json, 1);
    if ('append' in mutation) visitAll(`${field}.append`, mutation.append as Json[], 1);
    if ('splice' in mutation) visitAll(`${field}.splice.insert`, mutation.splice.insert as Json[], 1);
  });
}

/** What would be sent all the same, or could not be. @throws ChordError */
export function checkExpected(expected: Expected | undefined, checks: readonly Check[] | undefined): void {
  if (expected && 'unchanged' in expected) {
    checkPathList('expected.unchanged.paths', expected.unchanged.paths);
  }
  checkChecks('expected.checks', checks ?? []);
}

/** @throws ChordError */
export function checkChecks(field: string, checks: readonly Check[]): void {
  checks.forEach((check, i) => {
    checkKeys(`${field}[${i}].path.keys`, check.path);
    if ('equals' in check) visit(`${field}[${i}].equals`, check.equals, 1);
    if ('atLeast' in check) visit(`${field}[${i}].at_least`, check.atLeast, 1);
    if ('atMost' in check) visit(`${field}[${i}].at_most`, check.atMost, 1);
  });
}

/** @param field of the list @throws ChordError */
export function checkPathList(field: string, paths: readonly Path[]): void {
  for (const [at, path] of paths.entries()) checkKeys(`${field}[${at}].keys`, path);
}

function checkKeys(field: string, path: Path): void {
  for (const [at, key] of path.entries()) checkText(`${field}[${at}]`, key);
}

/** A container here is at level `depth`. */
function visit(field: string, value: Json, depth: number): void {
  try {
    checkLeaf(value);
  } catch (error) {
    throw unsendable(field, error);
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth > DEPTH_MAX) throw unsendable(field, `nested over ${DEPTH_MAX} levels`);
  if (Array.isArray(value)) {
    visitAll(field, value, depth + 1);
    return;
  }
  for (const key of keysOf(value as JsonObject)) {
    const member = (value as JsonObject)[key] as Json;
    const path = `${field}${/^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`}`;
    checkText(path, key);
    visit(path, member, depth + 1);
  }
}

function visitAll(field: string, list: readonly Json[], depth: number): void {
  // Not forEach, which leaves holes out.
  for (let i = 0; i < list.length; i++) visit(`${field}[${i}]`, list[i] as Json, depth);
}
