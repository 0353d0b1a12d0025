/**
 * Signed tokens (JWT): verified with the keys of a file, once each; what they said is remembered by their hash until
 * they expire or the keys change.
 *
 * Issuer, audience and algorithms are the server's to say, never the token's. Only algorithms with public keys are
 * known: where a key can verify but not sign, no public key passes for a secret, and `none` does not exist.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Clock } from '../model/model.js';
import { Problems, parseJson } from './file-problems.js';
import { type Identity, nameProblem } from './identity.js';

/** Clocks of issuers and servers differ by so many seconds. */
const CLOCK_TOLERANCE = 5;
/** What is remembered is worth a signature check each, and takes some 300 bytes. */
const REMEMBERED_MAX = 10_000;
const KEY_TYPES = ['RSA', 'EC', 'OKP'];

export interface JwtOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly string[];
  /** The claim that names the identity. */
  readonly claim: string;
  readonly clock: Clock;
}

/** Why a token is not accepted: for the log, not for who sent it. */
export class BadToken extends Error {
  constructor(
    why: string,
    /** Everything else about it was right. */
    readonly expired = false,
  ) {
    super(why);
  }
}

/** A set of keys from its file. @throws Problems */
export function parseJwks(text: string): JWTVerifyGetKey {
  const json = parseJson(text) as JSONWebKeySet;
  const keys: unknown = json?.keys;
  if (!Array.isArray(keys) || keys.length === 0) throw new Problems(['expected {"keys": [...]} with at least one key']);
  const problems = keys.flatMap((key, index) => {
    const { kty, d, k, kid } = (key ?? {}) as Record<string, unknown>;
    const at = `keys[${index}]`;
    if (d !== undefined || k !== undefined || kty === 'oct') {
      return [`${at} is secret: a server that only verifies has public keys, and nobody else's secrets`];
    }
    if (!KEY_TYPES.includes(kty as string)) return [`${at}.kty: expected one of ${KEY_TYPES.join(', ')}`];
    if (keys.length > 1 && typeof kid !== 'string') return [`${at} needs a kid, since there are several keys`];
    return [];
  });
  if (problems.length > 0) throw new Problems(problems);
  return createLocalJWKSet(json);
}

export class Jwts {
  /** By the digest of the whole token. The order is that of their use. */
  readonly #remembered = new Map<string, Identity>();

  constructor(
    private keys: JWTVerifyGetKey,
    private readonly options: JwtOptions,
    private readonly rememberedMax = REMEMBERED_MAX,
  ) {}

  /** Tokens whose signatures need no second look. */
  get remembered(): number {
    return this.#remembered.size;
  }

  /** Other keys: whatever was verified before is verified again. */
  use(keys: JWTVerifyGetKey): void {
    this.keys = keys;
    this.#remembered.clear();
  }

  /** Whose token this is the digest of, if it was verified before; it may have expired since. */
  find(digest: string): Identity | undefined {
    return this.#remembered.get(digest);
  }

  /** @throws BadToken */
  async verify(token: string, digest: string): Promise<Identity> {
    const { issuer, audience, algorithms, clock, claim } = this.options;
    const { keys } = this;
    const options = {
      ...{ issuer, audience, algorithms: [...algorithms], requiredClaims: ['exp', claim] },
      ...{ clockTolerance: CLOCK_TOLERANCE, currentDate: new Date(clock()) },
    };
    const verified = await jwtVerify(token, keys, options).catch((error: Error) => {
      throw new BadToken(error.message, error instanceof errors.JWTExpired);
    });
    const identity = toIdentity(verified.payload, claim);
    // The keys have changed meanwhile, and this one may be among those that went.
    if (keys !== this.keys) return this.verify(token, digest);
    this.#remember(digest, identity);
    return identity;
  }

  #remember(digest: string, identity: Identity): void {
    if (this.#remembered.size >= this.rememberedMax) this.#remembered.delete(this.#remembered.keys().next().value!);
    this.#remembered.set(digest, identity);
  }
}

function toIdentity(payload: JWTPayload, claim: string): Identity {
  const name = payload[claim];
  const problem = nameProblem(name);
  if (problem) throw new BadToken(`claim ${claim}: ${problem}`);
  // An address that its issuer has not checked names whomever its owner likes.
  if (claim === 'email' && payload.email_verified === false) throw new BadToken('the email is not verified');
  return { name: name as string, kind: 'jwt', expiresAt: (payload.exp! + CLOCK_TOLERANCE) * 1000 };
}
