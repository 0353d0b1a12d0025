/**
 * Who may use how much: each call is charged to its identity, over all connections, and to its connection. What a call
 * holds is given back once, when it ends. An identity that holds and owes nothing is forgotten sooner or later, so
 * that memory goes with those who use something, not with all who ever came.
 */

import { ChordError } from '../model/errors.js';
import { Account, type Bounds, boundsOf, type Excess, type QuotaNeed } from './account.js';
import type { Limits } from './limits.js';

export interface QuotaOptions {
  /** Of every identity. */
  readonly quotas: Limits;
  /** Of every connection. */
  readonly connectionQuotas: Limits;
  /** Of one identity, in place of those of every identity where they say something. WriteRequest at each call. */
  readonly limitsOf?: ((identity: string) => Limits | undefined) | undefined;
  /** Milliseconds, monotonic. */
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
  /** Limits of some identities, joined with those of all. */
  readonly #joined = new WeakMap<Limits, Bounds>();
  /** Whether connections have limits at all. */
  readonly #perConnection: boolean;

  constructor(private readonly options: QuotaOptions) {
    this.#ofIdentities = boundsOf(options.quotas);
    this.#ofConnections = boundsOf(options.connectionQuotas);
    this.#perConnection = Object.keys(options.connectionQuotas).length > 0;
  }

  /** Identities that are remembered. */
  get size(): number {
    return this.#identities.size;
  }

  /**
   * Lets a call in that needs so much, and charges it.
   * @param connection an object that stands for it; undefined: it is not known, and not charged
   * @throws ChordError RESOURCE_EXHAUSTED with the limit, and when to try again; then nothing is charged
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

  /** The call, a watch, follows so many contexts now. Answers why it must end, where it must. */
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

  /** What the call has cost beyond what it sent: bytes that it stored, and was answered with. */
  owe(bytes: number): void {
    if (bytes === 0) return;
    const now = this.now();
    for (const { account, bounds } of this.parties) account.owe(bytes, bounds, now);
  }

  /** Once, when the call ends. */
  end(): void {
    this.follow(0);
    for (const { account } of this.parties) account.release(this.need);
  }
}

/** Accounts of identities, by name. */
class Accounts {
  readonly #accounts = new Map<string, Account>();
  /** With so many, those that are idle are forgotten: each look costs no more than what came since the last one. */
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
