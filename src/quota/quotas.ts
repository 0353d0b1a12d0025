/**
 * Quotas: each call is charged to its identity, over all connections, and to its connection. What a call holds is given
 * back once, when the call ends. An identity with no usage and no debt is dropped sooner or later, so that memory grows
 * with the active identities, not with all identities ever seen.
 */

import { ChordError } from '../model/errors.js';
import { Account, type Bounds, boundsOf, type Excess, type QuotaNeed } from './account.js';
import type { Limits } from './limits.js';

export interface QuotaOptions {
  /** The limits of every identity. */
  readonly quotas: Limits;
  /** The limits of every connection. */
  readonly connectionQuotas: Limits;
  /** Limits of one identity, which override those of every identity one by one. Read at each call. */
  readonly limitsOf?: ((identity: string) => Limits | undefined) | undefined;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

interface Party {
  readonly whose: 'identity' | 'connection';
  readonly account: Account;
  readonly bounds: Bounds;
}

export class Quotas {
  readonly #identities = new Accounts((name) => this.#boundsOf(name));
  readonly #connections = new WeakMap<object, Account>();
  readonly #ofIdentities: Bounds;
  readonly #ofConnections: Bounds;
  /** Limits of single identities, merged with those of every identity. */
  readonly #joined = new WeakMap<Limits, Bounds>();
  /** Whether connections have any limits. */
  readonly #perConnection: boolean;

  constructor(private readonly options: QuotaOptions) {
    this.#ofIdentities = boundsOf(options.quotas);
    this.#ofConnections = boundsOf(options.connectionQuotas);
    this.#perConnection = Object.keys(options.connectionQuotas).length > 0;
  }

  /** Number of identities with an account. */
  get size(): number {
    return this.#identities.size;
  }

  /**
   * Admits a call with this need, and charges it.
   * @param connection an object that identifies the connection; undefined: unknown, and not charged
   * @throws ChordError RESOURCE_EXHAUSTED with the limit, and when to retry; then nothing is charged
   */
  admit(identity: string, connection: object | undefined, need: QuotaNeed): QuotaUsage {
    const now = this.options.now();
    const parties: Party[] = [{ whose: 'identity', ...this.#identities.of(identity, now) }];
    if (connection && this.#perConnection) parties.push(this.#connection(connection));
    for (const { whose, account, bounds } of parties) {
      const excess = account.excess(need, bounds, now);
      if (excess) throw exhausted(whose, excess);
    }
    for (const { account } of parties) account.take(need);
    return new QuotaUsage(need, parties, this.options.now);
  }

  #connection(connection: object): Party {
    let account = this.#connections.get(connection);
    if (!account) {
      account = new Account();
      this.#connections.set(connection, account);
    }
    return { whose: 'connection', account, bounds: this.#ofConnections };
  }

  #boundsOf(name: string): Bounds {
    const own = this.options.limitsOf?.(name);
    if (!own) return this.#ofIdentities;
    let joined = this.#joined.get(own);
    if (!joined) {
      joined = boundsOf(this.options.quotas, own);
      this.#joined.set(own, joined);
    }
    return joined;
  }
}

/** What one call holds. */
export class QuotaUsage {
  #contexts = 0;

  constructor(
    private readonly need: QuotaNeed,
    private readonly parties: readonly Party[],
    private readonly now: () => number,
  ) {}

  /**
   * Sets how many contexts the call, a watch, follows. Returns the error that ends the watch when a limit is exceeded.
   */
  follow(contexts: number): ChordError | undefined {
    const more = contexts - this.#contexts;
    this.#contexts = contexts;
    let refusal: ChordError | undefined;
    for (const { whose, account, bounds } of this.parties) {
      const excess = account.follow(more, bounds);
      if (excess) refusal ??= exhausted(whose, excess);
    }
    return refusal;
  }

  /** Charges bytes beyond the request: bytes that the call stored, and bytes of its response. */
  owe(bytes: number): void {
    if (bytes === 0) return;
    const now = this.now();
    for (const { account, bounds } of this.parties) account.owe(bytes, bounds, now);
  }

  /** Gives back what the call holds. Call once, when the call ends. */
  end(): void {
    this.follow(0);
    for (const { account } of this.parties) account.release(this.need);
  }
}

/** Accounts of identities, by name. */
class Accounts {
  readonly #accounts = new Map<string, Account>();
  /**
   * Idle accounts are dropped when there are this many: the cost of each pass is at most that of the accounts added
   * since the last.
   */
  #lookAt = 1000;

  constructor(private readonly boundsOf: (name: string) => Bounds) {}

  get size(): number {
    return this.#accounts.size;
  }

  of(name: string, now: number): { readonly account: Account; readonly bounds: Bounds } {
    const bounds = this.boundsOf(name);
    let account = this.#accounts.get(name);
    if (!account) {
      if (this.#accounts.size >= this.#lookAt) this.#forget(now);
      account = new Account();
      this.#accounts.set(name, account);
    }
    return { account, bounds };
  }

  #forget(now: number): void {
    for (const [name, account] of this.#accounts) {
      if (account.idle(this.boundsOf(name), now)) this.#accounts.delete(name);
    }
    this.#lookAt = Math.max(1000, 2 * this.#accounts.size);
  }
}

function exhausted(whose: Party['whose'], { name, limit, wait }: Excess): ChordError {
  const message = `over a quota of this ${whose}: ${name}, at most ${limit}`;
  const quota = { name, limit, whose };
  return new ChordError('RESOURCE_EXHAUSTED', message, wait === undefined ? { quota } : { quota, retryAfter: wait });
}
