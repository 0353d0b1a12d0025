/**
 * Signed tokens (JWT): verified with the keys of a file, once each; the verified identity is cached under the token's
 * hash until the token expires or the keys change.
 *
 * Issuer, audience and algorithms are settings of the server, never taken from the token. Only algorithms with public
 * keys are supported: a key that can verify but not sign cannot be used as a shared secret, and `none` is not
 * supported.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../model/model.js';
import { Problems, parseJson } from './file-problems.js';
import { type Identity, nameProblem } from './identity.js';

/** Tolerated clock difference between issuer and server, in seconds. */
const CLOCK_TOLERANCE = 5;
/** Limit of cached tokens. Each saves a signature check and takes some 300 bytes. */
const REMEMBERED_MAX = 10_000;
const KEY_TYPES = ['RSA', 'EC', 'OKP'];

export interface JwtOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** The claim that names the identity. */
  readonly claim: string;
  /** The claims to keep with an identity, as they are now. Absent: none. */
  readonly kept?: () => Iterable<string>;
  readonly clock: Clock;
}

/** Why a token is not accepted: for the log, not for the sender of the token. */
export class BadToken extends Error {
  constructor(
    why: string,
    /** The token is valid except for its expiry. */
    readonly expired = false,
  ) {
    super(why);
  }
}

/** Parses a JSON Web Key Set. @throws Problems */
export function parseJwks(text: string): JWTVerifyGetKey {
  const json = parseJson(text) as JSONWebKeySet;
  const keys: unknown = json?.keys;
  if (!Array.isArray(keys) || keys.length === 0) throw new Problems(['expected {"keys": [...]} with at least one key']);
  const problems = keys.flatMap((key, index) => {
    const { kty, d, k, kid } = (key ?? {}) as Record<string, unknown>;
    const at = `keys[${index}]`;
    if (d !== undefined || k !== undefined || kty === 'oct') {
      return [`${at} is a secret key: a server that only verifies must have public keys alone`];
    }
    if (!KEY_TYPES.includes(kty as string)) return [`${at}.kty: expected one of ${KEY_TYPES.join(', ')}`];
    if (keys.length > 1 && typeof kid !== 'string') return [`${at} needs a kid, since there are several keys`];
    return [];
  });
  if (problems.length > 0) throw new Problems(problems);
  return createLocalJWKSet(json);
}

export class Jwts {
  /** By the digest of the whole token, the least recently used first. */
  readonly #remembered = new Map<string, Identity>();
  /** How often they were forgotten. */
  #forgotten = 0;

  constructor(
    private keys: JWTVerifyGetKey,
    private readonly options: JwtOptions,
    private readonly rememberedMax = REMEMBERED_MAX,
  ) {}

  /** Number of tokens whose signatures need no second check. */
  get remembered(): number {
    return this.#remembered.size;
  }

  /** Replaces the keys: tokens that were verified before are verified again. */
  use(keys: JWTVerifyGetKey): void {
    this.keys = keys;
    this.forget();
  }

  /** Tokens that were verified before are verified again: other claims are to be kept. */
  forget(): void {
    this.#forgotten++;
    this.#remembered.clear();
  }

  /** The cached identity of the token with this digest; it may have expired since. */
  find(digest: string): Identity | undefined {
    return this.#remembered.get(digest);
  }

  /** @throws BadToken */
  async verify(token: string, digest: string): Promise<Identity> {
    const { issuer, audience, algorithms, clock, claim } = this.options;
    const { keys } = this;
    const forgotten = this.#forgotten;
    const options = {
      ...{ issuer, audience, algorithms: [...algorithms], requiredClaims: ['exp', claim] },
      ...{ clockTolerance: CLOCK_TOLERANCE, currentDate: new Date(clock()) },
    };
    const verified = await jwtVerify(token, keys, options).catch((error: Error) => {
      throw new BadToken(error.message, error instanceof errors.JWTExpired);
    });
    const identity = toIdentity(verified.payload, claim, this.options.kept?.() ?? []);
    // The keys have changed meanwhile, and the key of this token may have been removed; or other claims are to be kept.
    if (forgotten !== this.#forgotten) return this.verify(token, digest);
    this.#remember(digest, identity);
    return identity;
  }

  #remember(digest: string, identity: Identity): void {
    if (this.#remembered.size >= this.rememberedMax) this.#remembered.delete(this.#remembered.keys().next().value!);
    this.#remembered.set(digest, identity);
  }
}

function toIdentity(payload: JWTPayload, claim: string, kept: Iterable<string>): Identity {
  const name = payload[claim];
  const problem = nameProblem(name);
  if (problem) throw new BadToken(`claim ${claim}: ${problem}`);
  // An address that the issuer has not verified could be any text that the user chose.
  if (claim === 'email' && payload.email_verified === false) throw new BadToken('the email is not verified');
  const claims = new Map<string, string>();
  for (const each of kept) {
    const value = Object.hasOwn(payload, each) ? payload[each] : undefined;
    if (typeof value === 'string') claims.set(each, value);
  }
  const expiresAt = (payload.exp! + CLOCK_TOLERANCE) * 1000;
  return { name: name as string, kind: 'jwt', expiresAt, ...(claims.size > 0 && { claims }) };
}
