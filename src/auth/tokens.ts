/**
 * Static tokens, and the file that assigns them to identities. Each line holds a name, the hash of a token, and
 * optionally the time of the token's expiry; all tokens of one name are valid at the same time.
 *
 *     # who  hash                   until
 *     ann    sha256:9f86d081884c... 2027-03-01T00:00:00Z
 *
 * A plain SHA-256 is enough: tokens are random, so that hashes cannot be reversed by guessing, as hashes of passwords
 * can.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { Problems } from './file-problems.js';
import { type Identity, nameProblem } from './identity.js';

/** A shorter token may be a guessable word. */
const TOKEN_LENGTH_MIN = 32;
/** Valid text behind `Bearer` (RFC 6750). */
const BEARER_TOKEN = /^[\w.~+/-]+=*$/;
const HASH = /^sha256:([0-9a-f]{64})$/;
/** A token is looked up by this many characters of its hash; then the whole hash is compared in constant time. */
const KEY_LENGTH = 16;

/** 256 random bits behind a fixed word, by which secret scanners find published tokens. */
export function newToken(): string {
  return `chord_${randomBytes(32).toString('base64url')}`;
}

export function digestOf(token: string): string {
  return hash('sha256', token, 'hex');
}

/** What is wrong with a token; undefined for a valid one. */
export function tokenProblem(token: string): string | undefined {
  if (!BEARER_TOKEN.test(token)) return 'a token has letters, digits and - . _ ~ + / only';
  if (token.length < TOKEN_LENGTH_MIN) return `a token has at least ${TOKEN_LENGTH_MIN} characters, all of them random`;
  return undefined;
}

/** The line of the file for a token. @throws Problems */
export function tokenLine(name: string, token: string, expiresAt?: number): string {
  const problem = nameProblem(name) ?? tokenProblem(token) ?? wordProblem(name);
  if (problem) throw new Problems([problem]);
  const until = expiresAt === undefined ? [] : [new Date(expiresAt).toISOString()];
  return [name, `sha256:${digestOf(token)}`, ...until].join(' ');
}

interface Entry {
  readonly identity: Identity;
  readonly digest: Buffer;
}

export class Tokens {
  readonly #entries = new Map<string, Entry[]>();

  /** @throws Problems with line numbers */
  static parse(text: string): Tokens {
    const tokens = new Tokens();
    const problems = text.split('\n').flatMap((line, index) => {
      const words = line.trim().split(/\s+/);
      if (words[0] === '' || words[0]!.startsWith('#')) return [];
      const problem = tokens.#add(words);
      return problem ? [`line ${index + 1}: ${problem}`] : [];
    });
    if (problems.length > 0) throw new Problems(problems);
    return tokens;
  }

  /** The identity of the token with this digest, also where it has expired. */
  find(digest: string): Identity | undefined {
    const shown = Buffer.from(digest, 'hex');
    return this.#near(digest).find((entry) => timingSafeEqual(entry.digest, shown))?.identity;
  }

  /** @returns the problem of the line */
  #add([name, hashed = '', until, ...rest]: string[]): string | undefined {
    const digest = HASH.exec(hashed)?.[1];
    if (!digest || rest.length > 0)
      return 'expected: NAME sha256:64-HEX-DIGITS [UNTIL], as `chord token new` prints it';
    const expiresAt = until === undefined ? undefined : Date.parse(until);
    // Without a zone the time would be another moment on another machine.
    if (until !== undefined && (Number.isNaN(expiresAt) || !/^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(until))) {
      return `${until} is no time like 2027-03-01T00:00:00Z`;
    }
    const problem = nameProblem(name);
    if (problem) return problem;
    if (this.find(digest)) return 'this token stands in the file already';
    const identity: Identity = { name: name!, kind: 'token', ...(expiresAt !== undefined && { expiresAt }) };
    const near = this.#near(digest);
    this.#entries.set(digest.slice(0, KEY_LENGTH), [...near, { identity, digest: Buffer.from(digest, 'hex') }]);
    return undefined;
  }

  #near(digest: string): readonly Entry[] {
    return this.#entries.get(digest.slice(0, KEY_LENGTH)) ?? [];
  }
}

/** The fields of a line are separated by spaces: a name must be one word. */
function wordProblem(name: string): string | undefined {
  return /\s/.test(name) || name.startsWith('#')
    ? 'the name of a token has no spaces, and no # at its start'
    : undefined;
}
