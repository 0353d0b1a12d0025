/// <reference lib="es2024.string" />
/**
 * Access rules: what each identity may do, as grants of rights on prefixes of context ids. What no grant gives is
 * denied.
 *
 * A prefix ends where a segment ends: `team/a` covers the context `team/a` and all ids below `team/a/` and `team/a:`,
 * never `team/ab`. A prefix that ends in `/` or `:` covers all ids that begin with it, and so does a prefix before a
 * final `*`, wherever it ends. The empty prefix covers everything.
 *
 * A grant with a path is of a part of each document, and of no whole one: document-rights.ts.
 */

import type { Projection } from '../delta/projection.js';
import { ID_BYTES_MAX } from '../model/model.js';
import { type Limits, parseLimits } from '../quota/limits.js';
import { claimsIn, type DocumentRights, Parts, type PathTemplate, pathFor, pathTemplate } from './document-rights.js';
import { Problems, parseJson } from './file-problems.js';
import { ANYBODY, type Identity, nameProblem } from './identity.js';
import { PART_RIGHTS, RIGHTS, type Right, type RightScope } from './rights.js';

const SLASH = '/'.charCodeAt(0);
const COLON = ':'.charCodeAt(0);

interface Grant {
  readonly text: string;
  /** Covers all ids that begin with the text, also within a segment. */
  readonly anyEnd: boolean;
  readonly rights: readonly Right[];
  /** Absent: whole documents. */
  readonly path?: PathTemplate;
}

/** An entry of the file. */
interface Entry {
  readonly grants: readonly Grant[];
  readonly limits?: Limits | undefined;
}

/** An entry in the form for lookups. */
interface Allowed {
  readonly grants: Readonly<Record<Right, readonly Grant[]>>;
  /** Grants with a path, of all rights. */
  readonly parts: readonly Grant[];
  readonly limits: Limits | undefined;
}

type Coverage = (right: Right, scope: RightScope, target: string) => Projection | undefined;

export class AccessRules {
  private constructor(
    private readonly named: ReadonlyMap<string, Allowed>,
    private readonly others: Allowed,
    /** The claims that paths name. */
    readonly claims: ReadonlySet<string>,
  ) {}

  /** @throws Problems, each with its path: `identities.ann.grants[0].rights: ...` */
  static parse(text: string): AccessRules {
    const problems: string[] = [];
    const entries = readEntries(parseJson(text), problems);
    if (problems.length > 0) throw new Problems(problems);
    const everybody = entries.find(([name]) => name === ANYBODY)?.[1] ?? { grants: [] };
    const named = entries.map(([name, entry]) => [name, together(entry, everybody)] as const);
    const grants = entries.flatMap(([, entry]) => entry.grants);
    const claims = new Set(grants.flatMap(({ path = [] }) => claimsIn(path)));
    return new AccessRules(new Map(named), together(everybody), claims);
  }

  /**
   * Whether a grant gives this right on the context, or on every present and future context under the prefix: on whole
   * documents.
   */
  allow(name: string, right: Right, scope: RightScope, target: string): boolean {
    for (const grant of this.#of(name).grants[right]) {
      if (covers(grant, scope, target)) return true;
    }
    return false;
  }

  /**
   * The parts of the context, or of every context under the prefix, that grants give this right on. Undefined: none does. Only
   * where `allow` is false.
   */
  parts(identity: Identity, right: Right, scope: RightScope, target: string): Projection | undefined {
    return coverage(this.#of(identity.name), identity, new Parts())(right, scope, target);
  }

  /** All that the identity may do inside documents. */
  rightsOf(identity: Identity): DocumentRights {
    const { name } = identity;
    const allowed = this.#of(name);
    const parts = new Parts();
    const covered = coverage(allowed, identity, parts);
    const grants = [...Object.values(allowed.grants).flat(), ...allowed.parts];
    return {
      get key() {
        return JSON.stringify(grants.map(({ path, ...grant }) => [grant, path && pathFor(path, identity)]));
      },
      partsOf: (right, id) => {
        return this.allow(name, right, 'id', id) ? undefined : (covered(right, 'id', id) ?? parts.of([]));
      },
    };
  }

  /** The limits that the rules give to the identity. */
  limits(name: string): Limits | undefined {
    return this.#of(name).limits;
  }

  #of(name: string): Allowed {
    return this.named.get(name) ?? this.others;
  }
}

/** Adds the grants and limits of every caller to those of one identity. */
function together({ grants, limits }: Entry, everybody: Entry = { grants: [] }): Allowed {
  const all = [...grants, ...everybody.grants];
  const those = (right: Right) => all.filter(({ rights, path }) => !path && rights.includes(right));
  return {
    parts: all.filter(({ path }) => path),
    grants: Object.fromEntries(RIGHTS.map((right) => [right, those(right)])) as unknown as Allowed['grants'],
    limits: limits ?? everybody.limits,
  };
}

function coverage({ parts: grants }: Allowed, identity: Identity, made: Parts): Coverage {
  return (right, scope, target) => {
    const paths: string[][] = [];
    for (const grant of grants) {
      if (!grant.rights.includes(right) || !covers(grant, scope, target)) continue;
      const path = pathFor(grant.path!, identity);
      if (path) paths.push(path);
    }
    return paths.length > 0 ? made.of(paths) : undefined;
  };
}

function covers({ text, anyEnd }: Grant, scope: RightScope, target: string): boolean {
  if (!target.startsWith(text)) return false;
  if (anyEnd) return true;
  // The target prefix `team/a` includes `team/ab`: a grant of `team/a` does not cover it.
  if (target.length === text.length) return scope === 'id';
  return isSeparator(target.charCodeAt(text.length));
}

function isSeparator(unit: number): boolean {
  return unit === SLASH || unit === COLON;
}

function readEntries(json: unknown, problems: string[]): [string, Entry][] {
  const { identities } = members(json, '', ['identities'], problems);
  return Object.entries(members(identities, 'identities', undefined, problems)).map(([name, entry]) => {
    const at = `identities.${name}`;
    const problem = name === ANYBODY ? undefined : nameProblem(name);
    if (problem) problems.push(`identities: ${JSON.stringify(name)}: ${problem}`);
    return [name, readEntry(entry, at, problems)];
  });
}

function readEntry(json: unknown, at: string, problems: string[]): Entry {
  const { grants, limits } = members(json, at, ['grants', 'limits'], problems);
  if (!Array.isArray(grants)) problems.push(`${at}.grants: expected a list of {"prefix": ..., "rights": [...]}`);
  return {
    grants: Array.isArray(grants) ? grants.map((each, i) => readGrant(each, `${at}.grants[${i}]`, problems)) : [],
    limits: limits === undefined ? undefined : readLimits(limits, `${at}.limits`, problems),
  };
}

function readGrant(json: unknown, at: string, problems: string[]): Grant {
  const { prefix: named, context, rights, path } = members(json, at, ['prefix', 'rights', 'path', 'context'], problems);
  if (named !== undefined && context !== undefined) problems.push(`${at}: prefix and context are the same, give one`);
  const prefix = context === undefined ? named : context;
  const known = (right: unknown) => RIGHTS.includes(right as Right);
  if (!Array.isArray(rights) || rights.length === 0 || !rights.every(known)) {
    problems.push(`${at}.rights: expected a list of ${RIGHTS.join(', ')}, got ${JSON.stringify(rights)}`);
  }
  const problem = prefixProblem(prefix);
  const field = context === undefined ? 'prefix' : 'context';
  if (problem) problems.push(`${at}.${field}: ${problem}, got ${JSON.stringify(prefix)}`);
  const text = problem ? '' : (prefix as string).replace(/\*$/, '');
  const anyEnd = text !== prefix || text === '' || isSeparator(text.charCodeAt(text.length - 1));
  const grant = { text, anyEnd, rights: rights as Right[] };
  return path === undefined ? grant : { ...grant, path: readPath(path, rights, at, problems) };
}

function readPath(json: unknown, rights: unknown, at: string, problems: string[]): PathTemplate {
  const path = pathTemplate(json);
  const whole = Array.isArray(rights)
    ? rights.filter((right) => RIGHTS.includes(right) && !PART_RIGHTS.includes(right))
    : [];
  if (whole.length > 0) {
    problems.push(
      `${at}.rights: ${whole.join(' and ')} are of whole documents: a grant with a path gives ${PART_RIGHTS.join(', ')}`,
    );
  }
  if (typeof path !== 'string') return path;
  problems.push(`${at}.path: ${path}, got ${JSON.stringify(json)}`);
  return [];
}

function prefixProblem(prefix: unknown): string | undefined {
  if (typeof prefix !== 'string') return 'expected a text, "" for all contexts';
  if (Buffer.byteLength(prefix) > ID_BYTES_MAX) return `is longer than ${ID_BYTES_MAX} bytes`;
  if (prefix.includes('\0') || !prefix.isWellFormed()) return 'no context id begins like this';
  if (/\{(identity|claim\.[^{}]*)\}/.test(prefix)) return 'what authentication said stands in a path only';
  if (prefix.slice(0, -1).includes('*')) return 'a * has its meaning at the end only';
  return undefined;
}

function readLimits(json: unknown, at: string, problems: string[]): Limits | undefined {
  try {
    return parseLimits(json, at);
  } catch (error) {
    problems.push((error as Error).message);
    return undefined;
  }
}

/** The members of an object; members with unknown names are problems. */
function members(
  json: unknown,
  at: string,
  known: readonly string[] | undefined,
  problems: string[],
): { readonly [name: string]: unknown } {
  const where = at === '' ? '' : `${at}: `;
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    problems.push(`${where}expected an object${known ? ` with ${known.join(' and ')}` : ''}`);
    return {};
  }
  const strange = known ? Object.keys(json).filter((name) => !known.includes(name)) : [];
  for (const name of strange)
    problems.push(`${where}there is no ${JSON.stringify(name)} here, only ${known!.join(', ')}`);
  return json as { readonly [name: string]: unknown };
}
