/** Who calls, and what they may: by the tokens, keys and rules of the moment, whose files may change at any time. */

import { WatchedFile } from '../config/watched-file.js';
import { ChordError } from '../model/errors.js';
import type { Clock } from '../model/model.js';
import type { Limits } from '../quota/limits.js';
import type { Identity } from './identity.js';
import { BadToken, Jwts, parseJwks } from './jwt.js';
import { AccessRules, type Right, type RightScope } from './rules.js';
import type { AccessSettings } from './settings.js';
import { digestOf, Tokens } from './tokens.js';

/** Longer ones are not even looked at. Those of identity providers, with many groups in them, come to some KiB. */
const CREDENTIALS_LENGTH_MAX = 16 * 1024;
const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

export interface AccessEvents {
  /** A file has changed, and counts from now on. */
  readonly reloaded: (path: string) => void;
  /** A file has changed and is keeping the previous content: the file is invalid. */
  readonly failed: (error: Error, path: string) => void;
  /** Why signed token refused, which its sender is not told. */
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

  /** @throws ChordError FAILED_PRECONDITION with all that is wrong with a file */
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
    this.#rules = await this.#watch(authRules, AccessRules.parse);
    const keys = await this.#watch(authJwks, parseJwks, (changed) => this.#jwts?.use(changed));
    if (!keys) return;
    this.#jwts = new Jwts(keys.value, {
      issuer: authJwtIssuer,
      audience: authJwtAudience,
      algorithms: this.settings.authJwtAlgorithms,
      claim: this.settings.authJwtClaim,
      clock: this.clock,
    });
  }

  /**
   * Who calls. At once but for signatures that were not seen before.
   * @param authorization the header of that name
   * @param certified whom the certificate of the connection names; counts where there is no such header, or where
   * nobody looks at headers
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

  /** What the rules say of how much it may use. */
  limits(name: string): Limits | undefined {
    return this.#rules?.value.limits(name);
  }

  /** Whether what the identity showed has ended. */
  hasExpired({ expiresAt }: Identity): boolean {
    return expiresAt !== undefined && expiresAt <= this.clock();
  }

  /** Hears of each change after which other identities, or other rights, may count. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Reads the files now, as they are. */
  async reload(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.reload()));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #fromToken(authorization: string): Identity | Promise<Identity> {
    const token = authorization.length > CREDENTIALS_LENGTH_MAX ? undefined : BEARER.exec(authorization)?.[1];
    if (token === undefined) throw refused('the header authorization is not "Bearer TOKEN"');
    // Nothing is looked up by the token itself: how long it takes tells of its hash at most.
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

/** Whatever is wrong with a token, the answer is the same: nobody learns from it how to make a better one. */
export function refused(message = 'the token is not accepted'): ChordError {
  return new ChordError('UNAUTHENTICATED', message);
}

export function expired(): ChordError {
  return new ChordError('UNAUTHENTICATED', 'the credentials have expired');
}
