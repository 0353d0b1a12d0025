/**
 * The cleanup schedule of a running server. Once a second the sweeper checks the clock:
 *
 *  - contexts whose own time to live has ended are removed, and members of documents likewise, whether or not cleanup is
 *    started: the time to live is a property of the context or the member, and no setting of the server;
 *  - while cleanup is started, a whole sweep begins when it is due.
 *
 * Where several servers share a store, only the server that holds the lease sweeps; when it dies, another server takes
 * the lease. What calls have changed of the settings is kept by the store then, and each server looks at it each second.
 */
import { ChordError } from '../model/errors.js';
import type { Clock } from '../model/model.js';
import { MemberSweep } from './member-sweep.js';
import { type CleanupOverrides, KeptOverrides } from './overrides.js';
import { type CleanupOptions, isTiered, recordsKept } from './policy.js';
import { type Counts, NOTHING, type SweepParts, type Swept, sweep } from './sweep.js';

const TICK = 1000;
const LEASE = 'cleanup';
/** Long enough for a batch; after this time another server takes the lease of a dead one. */
const LEASE_TTL = 10_000;
const FORGET_AT_ONCE = 1000;
/** A trim between sweeps takes at least so many records. */
const TRIM_STEP_MIN = 64;
/** What expired in so short a time, in milliseconds, expires again before a watcher needs to know. */
const SET_BACK_MIN = 500;
/** A repeated failure is reported once in this time. */
const REPORT_EVERY = 60_000;

export interface RunOptions {
  readonly dryRun?: boolean;
  readonly prefix?: string;
  readonly limit?: number | undefined;
  /** Overrides of the current options, for this run only. */
  readonly options?: Partial<CleanupOptions>;
}

export interface CleanupResult extends Swept {
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly dryRun: boolean;
  /** Forgotten request ids; a dry run, or a run with a prefix, forgets none. */
  readonly forgotten: number;
}

export interface CleanupTotals extends Counts {
  /** Whole sweeps, including those started by a request. */
  readonly runs: number;
  readonly forgotten: number;
}

export interface CleanupStatus {
  readonly running: boolean;
  readonly interval: number;
  readonly options: CleanupOptions;
  /** Calls have changed settings: these win over the configuration. */
  readonly overridden: boolean;
  /** The time of the next sweep. Absent: cleanup is not started. */
  readonly nextRunAt?: number | undefined;
  /** The last sweep that was not a dry run. */
  readonly last?: CleanupResult | undefined;
  /** Totals since the start of this server. */
  readonly totals: CleanupTotals;
}

export interface SweeperOptions extends SweepParts {
  readonly clock: Clock;
  readonly options: CleanupOptions;
  /** Milliseconds; 0: cleanup is not started with the server. */
  readonly interval: number;
  /** The clock was set back: what had expired, and was not removed yet, is there again. */
  readonly onClockSetBack: () => void;
}

/** StartCleanup uses this where no interval was ever set. */
const INTERVAL_DEFAULT = 3_600_000;

export class Sweeper {
  readonly #parts: SweeperOptions;
  readonly #members: MemberSweep;
  readonly #kept: KeptOverrides;
  #overrides: CleanupOverrides | undefined;
  #options: CleanupOptions;
  #interval: number;
  #nextRunAt: number | undefined;
  #last: CleanupResult | undefined;
  #totals: CleanupTotals = { ...NOTHING, runs: 0, forgotten: 0 };
  #timer: NodeJS.Timeout | undefined;
  #expiring: Promise<void> | undefined;
  /** The time of the last tick, or of the start. */
  #seenAt: number;
  #sweeping: Promise<void> | undefined;
  #reported = { message: '', at: 0 };
  /** Trims under way that writes have begun, by context id. */
  readonly #trimming = new Map<string, Promise<void>>();
  #closed = false;

  constructor(parts: SweeperOptions) {
    this.#parts = parts;
    const { store, contexts, clock } = parts;
    this.#seenAt = clock();
    this.#members = new MemberSweep({ store, contexts, clock, onError: (error) => this.#report(error) });
    this.#kept = new KeptOverrides(store);
    this.#options = this.#configured();
    this.#interval = parts.interval || INTERVAL_DEFAULT;
    if (parts.interval > 0) this.#schedule();
  }

  /** Reads what is kept of the settings, and starts the timer, which alone keeps no process alive. */
  async open(): Promise<this> {
    this.#apply(await this.#kept.read());
    this.#timer = setInterval(() => void this.tick(), TICK).unref();
    return this;
  }

  /** Resolves when the current batch is done. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    // What fails now is due again after the next start; the store must be closed in any case.
    await Promise.allSettled([this.#expiring, this.#sweeping, this.#members.close(), this.trimmed()]);
  }

  status(): CleanupStatus {
    return {
      running: this.#nextRunAt !== undefined,
      interval: this.#interval,
      options: this.#options,
      overridden: this.#overrides !== undefined,
      nextRunAt: this.#nextRunAt,
      last: this.#last,
      totals: this.#totals,
    };
  }

  /** The same, after a look at what other servers have changed. */
  async current(): Promise<CleanupStatus> {
    this.#apply(await this.#kept.read());
    return this.status();
  }

  /** The first sweep comes after one interval. Rejects with FAILED_PRECONDITION where cleanup is already started. */
  async start(interval?: number, options: Partial<CleanupOptions> = {}): Promise<CleanupStatus> {
    this.#check(options);
    return this.#change((before) => {
      if (before?.running ?? this.#parts.interval > 0) {
        throw new ChordError('FAILED_PRECONDITION', 'cleanup is already started');
      }
      return { ...changed(before, interval, options), running: true, scheduled: newNumber(before) };
    });
  }

  /** A sweep in progress ends with its current batch. Contexts with a time to live of their own still expire. */
  async stop(): Promise<CleanupStatus> {
    await this.#change((before) => ({ ...changed(before), running: false }));
    await this.#sweeping;
    return this.status();
  }

  /**
   * Takes effect at once; only a sweep in progress still uses the old options. `reset`: what calls have changed before no
   * longer holds, and the configuration of each server does.
   */
  async update(interval?: number, options: Partial<CleanupOptions> = {}, reset = false): Promise<CleanupStatus> {
    this.#check(options);
    return this.#change((kept) => {
      const before = reset ? undefined : kept;
      if (interval === undefined && Object.keys(options).length === 0) return before;
      const after = changed(before, interval, options);
      return interval === undefined ? after : { ...after, scheduled: newNumber(kept) };
    });
  }

  /**
   * A context has come to this version. While cleanup is started, what its log has above the threshold is trimmed each
   * time that so many have been written again: so a log has a bound between sweeps, and a write costs a part of a trim.
   */
  wrote(id: string, version: number): void {
    const { deltaThreshold } = this.#options;
    const step = Math.max(deltaThreshold, TRIM_STEP_MIN);
    if (isTiered(this.#options)) return;
    if (version % step !== 0 || this.#nextRunAt === undefined || this.#closed || this.#trimming.has(id)) return;
    const upTo = version - recordsKept(this.#options);
    if (upTo <= 0) return;
    const trim = this.#parts.contexts.trim(id, upTo).then(
      () => {},
      (error) => this.#report(error),
    );
    this.#trimming.set(id, trim);
    void trim.then(() => this.#trimming.delete(id));
  }

  /** Whether the history is thinned. */
  get thins(): boolean {
    return isTiered(this.#options);
  }

  #check({ deltaRetention = [] }: Partial<CleanupOptions> = {}): void {
    if (deltaRetention.length > 0 && !this.#parts.store.thin) {
      throw new ChordError('FAILED_PRECONDITION', 'this store does not merge deltas: it takes no tiers of retention');
    }
  }

  /** A member of a document expires at this time or later. */
  memberExpiresAt(due: number): void {
    this.#members.expiresAt(due);
  }

  /** Resolves when the trims that writes have begun are done. */
  async trimmed(): Promise<void> {
    await Promise.all(this.#trimming.values());
  }

  /** One sweep now, on whichever server is asked. */
  async run(options: RunOptions = {}): Promise<CleanupResult> {
    this.#check(options.options);
    return this.#run(options, () => !this.#closed, true);
  }

  /** The work of each second. Never rejects; resolves when the work that it started is done. */
  async tick(): Promise<void> {
    try {
      if (this.#closed) return;
      this.#followClock();
      if (this.#parts.store.cluster) this.#apply(await this.#kept.read());
      if (this.#closed || !(await this.#leads())) return;
      this.#expiring ??= this.#expire().finally(() => {
        this.#expiring = undefined;
      });
      if (this.#isTime()) {
        this.#schedule();
        const goOn = async () => this.#nextRunAt !== undefined && !this.#closed && (await this.#leads());
        const swept = this.#run({}, goOn, false);
        this.#sweeping = swept
          .then(() => {}, this.#parts.onError)
          .finally(() => {
            this.#sweeping = undefined;
          });
      }
      await Promise.all([this.#expiring, this.#sweeping, this.#members.run()]);
    } catch (error) {
      this.#report(error);
    }
  }

  async #expire(): Promise<void> {
    const task = {
      rules: this.#options,
      now: this.#parts.clock(),
      indexes: ['expiry'],
      goOn: () => !this.#closed,
    } as const;
    this.#count(await sweep(this.#parts, task));
  }

  async #run(
    { options, ...what }: RunOptions,
    goOn: () => boolean | Promise<boolean>,
    thorough: boolean,
  ): Promise<CleanupResult> {
    const { store, clock } = this.#parts;
    const rules = { ...this.#options, ...options };
    const { dryRun = false, prefix = '', limit = Number.POSITIVE_INFINITY } = what;
    const startedAt = clock();
    const swept = await sweep(this.#parts, { rules, now: startedAt, dryRun, prefix, limit, thorough, goOn });
    let forgotten = 0;
    if (!dryRun && prefix === '') {
      for (let some = FORGET_AT_ONCE; some === FORGET_AT_ONCE && (await goOn()); forgotten += some) {
        some = await store.forget(Math.max(0, startedAt - rules.requestTtl), FORGET_AT_ONCE);
      }
    }
    const result = { ...swept, startedAt, finishedAt: clock(), dryRun, forgotten };
    if (!dryRun) {
      this.#last = result;
      this.#count(swept, 1, forgotten);
    }
    return result;
  }

  #followClock(): void {
    const now = this.#parts.clock();
    if (now < this.#seenAt - SET_BACK_MIN) this.#parts.onClockSetBack();
    this.#seenAt = now;
  }

  /** Whether a sweep is due. A clock that was set back does not postpone the next sweep. */
  #isTime(): boolean {
    if (this.#nextRunAt === undefined || this.#sweeping !== undefined) return false;
    const now = this.#parts.clock();
    this.#nextRunAt = Math.min(this.#nextRunAt, now + this.#interval);
    return this.#nextRunAt <= now;
  }

  #schedule(): void {
    this.#nextRunAt = this.#parts.clock() + this.#interval;
  }

  #configured(): CleanupOptions {
    const { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, requestTtl } = this.#parts.options;
    const { deltaRetention = [] } = this.#parts.options;
    return { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, requestTtl, deltaRetention };
  }

  async #change(edit: Parameters<KeptOverrides['change']>[0]): Promise<CleanupStatus> {
    this.#apply(await this.#kept.change(edit));
    return this.status();
  }

  /** Cleanup goes by these settings from now on, and by the configuration where they say nothing. */
  #apply(overrides: CleanupOverrides | undefined): void {
    const configured = this.#parts.interval;
    const before = this.#overrides?.scheduled ?? 0;
    this.#overrides = overrides;
    this.#options = { ...this.#configured(), ...overrides?.options };
    this.#interval = overrides?.interval ?? (configured || INTERVAL_DEFAULT);
    if (!(overrides?.running ?? configured > 0)) this.#nextRunAt = undefined;
    else if (this.#nextRunAt === undefined || (overrides?.scheduled ?? 0) !== before) this.#schedule();
  }

  #report(error: unknown): void {
    const [message, at] = [String(error), performance.now()];
    if (message === this.#reported.message && at - this.#reported.at < REPORT_EVERY) return;
    this.#reported = { message, at };
    this.#parts.onError(error);
  }

  /** Whether this server holds the lease. */
  async #leads(): Promise<boolean> {
    const { store } = this.#parts;
    return store.cluster ? store.cluster.lease(LEASE, LEASE_TTL) : true;
  }

  #count(swept: Counts, runs = 0, forgotten = 0): void {
    const t = this.#totals;
    this.#totals = {
      expired: t.expired + swept.expired,
      idle: t.idle + swept.idle,
      trimmed: t.trimmed + swept.trimmed,
      deltas: t.deltas + swept.deltas,
      failed: t.failed + swept.failed,
      runs: t.runs + runs,
      forgotten: t.forgotten + forgotten,
    };
  }
}

function changed(
  before: CleanupOverrides | undefined,
  interval = before?.interval,
  options: Partial<CleanupOptions> = {},
): CleanupOverrides {
  return { ...before, interval, options: { ...before?.options, ...options }, scheduled: before?.scheduled ?? 0 };
}

function newNumber(before: CleanupOverrides | undefined): number {
  return (before?.scheduled ?? 0) + 1;
}
