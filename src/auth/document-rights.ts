/**
 * Rights to parts of documents: grants that end in a path. Keys of the path may hold what authentication said of the caller:
 * `{identity}`, and `{claim.NAME}` of a signed token.
 */
import { type Projection, projectionOf } from '../delta/projection.js';
import { MAX_DEPTH } from '../model/model.js';
import type { Identity } from './identity.js';
import type { Right } from './rights.js';

/** A key of a granted path. */
interface KeyTemplate {
  readonly before: string;
  /** What stands between: a claim's name, or `{identity}`; absent: the key is `before`. */
  readonly variable?: string;
  readonly after: string;
}

export type PathTemplate = readonly KeyTemplate[];

/** What a caller may do inside documents, where some of its rights are to parts of them. */
export interface DocumentRights {
  /** Equal for equal rights. */
  readonly key: string;
  /** The parts of a context that the right covers, perhaps none. Undefined: the whole document. */
  partsOf(right: Right, id: string): Projection | undefined;
}

const IDENTITY = '{identity}';
const VARIABLE = /\{(identity|claim\.[^{}]+)\}/;

/** The template of a path in a file of rules, or what is wrong with it. */
export function pathTemplate(path: unknown): PathTemplate | string {
  const isList = Array.isArray(path) && path.length > 0 && path.every((key) => typeof key === 'string');
  if (!isList) return 'expected a list of keys, ["members", "{identity}"]; leave it out for whole documents';
  if (path.length > MAX_DEPTH) return `is longer than ${MAX_DEPTH} keys`;
  const keys: KeyTemplate[] = [];
  for (const key of path as string[]) {
    const template = keyTemplate(key);
    if (!template) {
      return `${JSON.stringify(key)}: braces stand for ${IDENTITY} or {claim.NAME} alone, once in a key`;
    }
    keys.push(template);
  }
  return keys;
}

function keyTemplate(key: string): KeyTemplate | undefined {
  const found = VARIABLE.exec(key);
  const before = found ? key.slice(0, found.index) : key;
  const after = found ? key.slice(found.index + found[0].length) : '';
  if (/[{}]/.test(before + after)) return undefined;
  return found
    ? { before, variable: found[1] === 'identity' ? IDENTITY : found[1]!.slice(6), after }
    : { before, after };
}

/** The claims that a template names. */
export function claimsIn(path: PathTemplate): string[] {
  return path.flatMap(({ variable }) => (variable === undefined || variable === IDENTITY ? [] : variable));
}

/** The path for a caller. Undefined where its token lacks a claim, or the claim is empty: the grant gives it nothing. */
export function pathFor(template: PathTemplate, { name, claims }: Identity): string[] | undefined {
  const path: string[] = [];
  for (const { before, variable, after } of template) {
    const value = variable === undefined ? '' : variable === IDENTITY ? name : claims?.get(variable);
    if (variable !== undefined && !value) return undefined;
    path.push(before + value + after);
  }
  return path;
}

const NOTHING = projectionOf([]);

/** Projections to sets of paths, each made once: contexts with the same rights share theirs. */
export class Parts {
  readonly #made = new Map<string, Projection>();

  of(paths: readonly string[][]): Projection {
    if (paths.length === 0) return NOTHING;
    const text = JSON.stringify(paths);
    let made = this.#made.get(text);
    if (!made) {
      made = projectionOf(paths);
      this.#made.set(text, made);
    }
    return made;
  }
}
