/**
 * Authentication and authorization of callers, by the current tokens, keys and rules; their files may change at any
 * time.
 */

import { WatchedFile } from '../config/watched-file.js';
import type { Projection } from '../delta/projection.js';
import { ChordError } from '../model/errors.js';
import type { Clock } from '../model/model.js';
import type { Limits } from '../quota/limits.js';
import type { DocumentRights } from './document-rights.js';
import type { Identity } from './identity.js';
import { BadToken, Jwts, parseJwks } from './jwt.js';
import type { Right, RightScope } from './rights.js';
import { AccessRules } from './rules.js';
import type { AccessSettings } from './settings.js';
import { digestOf, Tokens } from './tokens.js';

/** Longer headers are refused unread. Tokens of identity providers, with many groups, reach some KiB. */
const CREDENTIALS_LENGTH_MAX = 16 * 1024;
const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

export interface AccessEvents {
  /** A file has changed, and its new content is in effect. */
  readonly reloaded: (path: string) => void;
  /** A file has changed and is invalid: the previous content stays in effect. */
  readonly failed: (error: Error, path: string) => void;
  /** Why a signed token was refused; the reason is not sent to the caller. */
  readonly refused: (why: string) => void;
}

export class Access {
  readonly #files: Pick<WatchedFile<unknown>, 'reload' | 'close'>[] = [];
  readonly #listeners = new Set<() => void>();
  #tokens: WatchedFile<Tokens> | undefined;
  #rules: WatchedFile<AccessRules> | undefined;
  #jwts: Jwts | undefined;

  private constructor(
    private readonly settings: AccessSettings,
    private readonly clock: Clock,
    private readonly events: AccessEvents,
  ) {}

  /** @throws ChordError FAILED_PRECONDITION with all problems of a file */
  static async open(settings: AccessSettings, clock: Clock, events: AccessEvents): Promise<Access> {
    const access = new Access(settings, clock, events);
    try {
      await access.#open();
    } catch (error) {
      access.close();
      throw error;
    }
    return access;
  }

  async #open(): Promise<void> {
    const { authTokens, authRules, authJwks, authJwtIssuer, authJwtAudience } = this.settings;
    this.#tokens = await this.#watch(authTokens, Tokens.parse);
    this.#rules = await this.#watch(authRules, AccessRules.parse, () => this.#jwts?.forget());
    const keys = await this.#watch(authJwks, parseJwks, (changed) => this.#jwts?.use(changed));
    if (!keys) return;
    this.#jwts = new Jwts(keys.value, {
      issuer: authJwtIssuer,
      audience: authJwtAudience,
      algorithms: this.settings.authJwtAlgorithms,
      claim: this.settings.authJwtClaim,
      kept: () => this.#rules?.value.claims ?? [],
      clock: this.clock,
    });
  }

  /**
   * Authenticates the caller. Synchronous, except for signatures that were not verified before.
   * @param authorization the header `authorization`
   * @param certified reads the identity in the certificate of the connection; it is used for a call without the header,
   * or where neither tokens nor keys are configured
   * @throws ChordError UNAUTHENTICATED
   */
  identify(authorization: string | undefined, certified: () => Identity | undefined): Identity | Promise<Identity> {
    const asks = this.#tokens !== undefined || this.#jwts !== undefined;
    if (authorization === undefined || !asks) return this.#valid(this.#fromCertificate(certified));
    const found = this.#fromToken(authorization);
    return found instanceof Promise ? found.then((identity) => this.#valid(identity)) : this.#valid(found);
  }

  allow({ name }: Identity, right: Right, scope: RightScope, target: string): boolean {
    return this.#rules?.value.allow(name, right, scope, target) ?? false;
  }

  /** As `AccessRules.parts`. */
  parts(identity: Identity, right: Right, scope: RightScope, target: string): Projection | undefined {
    return this.#rules?.value.parts(identity, right, scope, target);
  }

  /** As `AccessRules.rightsOf`. */
  rightsOf(identity: Identity): DocumentRights | undefined {
    return this.#rules?.value.rightsOf(identity);
  }

  /** The limits that the rules give to the identity. */
  limits(name: string): Limits | undefined {
    return this.#rules?.value.limits(name);
  }

  /** Whether the credentials of the identity have expired. */
  hasExpired({ expiresAt }: Identity): boolean {
    return expiresAt !== undefined && expiresAt <= this.clock();
  }

  /** The listener is called after each change of tokens, keys or rules. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the files now. */
  async reload(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.reload()));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #fromToken(authorization: string): Identity | Promise<Identity> {
    const token = authorization.length > CREDENTIALS_LENGTH_MAX ? undefined : BEARER.exec(authorization)?.[1];
    if (token === undefined) throw refused('the header authorization is not "Bearer TOKEN"');
    // The lookup key is the token's hash, never the token: the time of a lookup reveals at most something of the hash.
    const digest = digestOf(token);
    const known = this.#tokens?.value.find(digest) ?? this.#jwts?.find(digest);
    if (known) return known;
    if (!this.#jwts) throw refused();
    return this.#jwts.verify(token, digest).catch((error: Error) => {
      this.events.refused(error.message);
      throw error instanceof BadToken && error.expired ? expired() : refused();
    });
  }

  #fromCertificate(certified: () => Identity | undefined): Identity {
    const identity = this.settings.authCertificates ? certified() : undefined;
    if (identity) return identity;
    const asked = this.settings.authCertificates ? ['a client certificate with an alternative name'] : [];
    if (this.#tokens || this.#jwts) asked.push('the metadata "authorization: Bearer TOKEN"');
    throw refused(`authentication is required: send ${asked.join(', or ')}`);
  }

  #valid(identity: Identity): Identity {
    if (this.hasExpired(identity)) throw expired();
    return identity;
  }

  async #watch<T>(path: string, parse: (text: string) => T, use: (value: T) => void = () => {}) {
    if (path === '') return undefined;
    const changed = (value: T): void => {
      use(value);
      this.events.reloaded(path);
      for (const listener of this.#listeners) listener();
    };
    const failed = (error: Error): void => this.events.failed(error, path);
    const file = await WatchedFile.open({ path, parse, changed, failed });
    this.#files.push(file);
    return file;
  }
}

/** By message, of which there are few: a stack trace costs a third of a refusal, and strangers may send very many calls. */
const refusals = new Map<string, ChordError>();

/** The same answer for every fault of a token: the answer gives no help for forging a better one. */
export function refused(message = 'the token is not accepted'): ChordError {
  let error = refusals.get(message);
  if (!error) {
    error = new ChordError('UNAUTHENTICATED', message);
    refusals.set(message, error);
  }
  return error;
}

export function expired(): ChordError {
  return new ChordError('UNAUTHENTICATED', 'the credentials have expired');
}
