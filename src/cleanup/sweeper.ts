/**
 * The cleanup schedule of a running server. Once a second the sweeper checks the clock:
 *
 *  - contexts whose own time to live has ended are removed, and members of documents likewise, whether or not cleanup is
 *    started: the time to live is a property of the context or the member, and no setting of the server;
 *  - while cleanup is started, a whole sweep begins when it is due.
 *
 * Where several servers share a store, only the server that holds the lease sweeps; when it dies, another server takes
 * the lease.
 */
import { ChordError } from '../model/errors.js';
import type { Clock } from '../model/model.js';
import { MemberSweep } from './member-sweep.js';
import { type RetentionRules, recordsKept } from './policy.js';
import { type Counts, NOTHING, type SweepParts, type Swept, sweep } from './sweep.js';

const TICK = 1000;
const LEASE = 'cleanup';
/** Long enough for a batch; after this time another server takes the lease of a dead one. */
const LEASE_TTL = 10_000;
const FORGET_AT_ONCE = 1000;
/** A trim between sweeps takes at least so many records. */
const TRIM_STEP_MIN = 64;
/** A repeated failure is reported once in this time. */
const REPORT_EVERY = 60_000;

/** Times in milliseconds. */
export interface CleanupOptions extends RetentionRules {
  /** How long request ids are kept. */
  readonly requestTtl: number;
}

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
}

/** StartCleanup uses this where no interval was ever set. */
const INTERVAL_DEFAULT = 3_600_000;

export class Sweeper {
  readonly #parts: SweeperOptions;
  readonly #members: MemberSweep;
  #options: CleanupOptions;
  #interval: number;
  #nextRunAt: number | undefined;
  #last: CleanupResult | undefined;
  #totals: CleanupTotals = { ...NOTHING, runs: 0, forgotten: 0 };
  #timer: NodeJS.Timeout | undefined;
  #expiring: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  #reported = { message: '', at: 0 };
  /** Trims under way that writes have begun, by context id. */
  readonly #trimming = new Map<string, Promise<void>>();
  #closed = false;

  constructor(parts: SweeperOptions) {
    this.#parts = parts;
    const { store, contexts, clock } = parts;
    this.#members = new MemberSweep({ store, contexts, clock, onError: (error) => this.#report(error) });
    const { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, requestTtl } = parts.options;
    this.#options = { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, requestTtl };
    this.#interval = parts.interval || INTERVAL_DEFAULT;
    if (parts.interval > 0) this.#schedule();
  }

  /** Starts the timer, which alone keeps no process alive. */
  open(): this {
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
      nextRunAt: this.#nextRunAt,
      last: this.#last,
      totals: this.#totals,
    };
  }

  /** The first sweep comes after one interval. Throws FAILED_PRECONDITION where cleanup is already started. */
  start(interval?: number, options: Partial<CleanupOptions> = {}): CleanupStatus {
    if (this.#nextRunAt !== undefined) throw new ChordError('FAILED_PRECONDITION', 'cleanup is already started');
    this.#set(interval, options);
    this.#schedule();
    return this.status();
  }

  /** A sweep in progress ends with its current batch. Contexts with a time to live of their own still expire. */
  async stop(): Promise<CleanupStatus> {
    this.#nextRunAt = undefined;
    await this.#sweeping;
    return this.status();
  }

  /** Takes effect at once; only a sweep in progress still uses the old options. */
  update(interval?: number, options: Partial<CleanupOptions> = {}): CleanupStatus {
    this.#set(interval, options);
    if (interval !== undefined && this.#nextRunAt !== undefined) this.#schedule();
    return this.status();
  }

  /**
   * A context has come to this version. While cleanup is started, what its log has above the threshold is trimmed each
   * time that so many have been written again: so a log has a bound between sweeps, and a write costs a part of a trim.
   */
  wrote(id: string, version: number): void {
    const { deltaThreshold } = this.#options;
    const step = Math.max(deltaThreshold, TRIM_STEP_MIN);
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

  /** A member of a document expires at this time or later. */
  memberExpiresAt(due: number): void {
    this.#members.expiresAt(due);
  }

  /** Resolves when the trims that writes have begun are done. */
  async trimmed(): Promise<void> {
    await Promise.all(this.#trimming.values());
  }

  /** One sweep now, on whichever server is asked. */
  run(options: RunOptions = {}): Promise<CleanupResult> {
    return this.#run(options, () => !this.#closed);
  }

  /** The work of each second. Never rejects; resolves when the work that it started is done. */
  async tick(): Promise<void> {
    try {
      if (this.#closed || !(await this.#leads())) return;
      this.#expiring ??= this.#expire().finally(() => {
        this.#expiring = undefined;
      });
      if (this.#isTime()) {
        this.#schedule();
        const goOn = async () => this.#nextRunAt !== undefined && !this.#closed && (await this.#leads());
        const swept = this.#run({}, goOn);
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

  async #run({ options, ...what }: RunOptions, goOn: () => boolean | Promise<boolean>): Promise<CleanupResult> {
    const { store, clock } = this.#parts;
    const rules = { ...this.#options, ...options };
    const { dryRun = false, prefix = '', limit = Number.POSITIVE_INFINITY } = what;
    const startedAt = clock();
    const swept = await sweep(this.#parts, { rules, now: startedAt, dryRun, prefix, limit, goOn });
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

  #set(interval = this.#interval, options: Partial<CleanupOptions>): void {
    this.#interval = interval;
    this.#options = { ...this.#options, ...options };
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
