/**
 * Group commit. Writes wait in a queue. All waiting writes share one transaction and one fsync, and while that
 * transaction is on its way to the disk the next writes gather. Only one transaction is ever outstanding. That costs
 * nothing, since LMDB runs transactions one after another anyway, and it has three advantages: each write is decided on
 * the durable state plus the earlier writes of its own transaction, so no other state is in flight; when a transaction
 * fails, no write that depends on it has been passed to LMDB; and LMDB never has so much work that it blocks.
 */
import type { RootDatabase } from 'lmdb';
import { Histogram } from '../../model/histogram.js';
import type { HeadRow } from '../record-format.js';
import type { Request } from '../store.js';
import { commitFailed, DiskFailure, unreadable } from './errors.js';

/** Limits the decisions of one transaction to a few milliseconds of the event loop. */
const MAX_JOBS = 2_000;

export interface Job<T> {
  /** The context that the job may change. */
  readonly id: string;
  /** For a batch: the other contexts. */
  readonly others?: readonly string[];
  /** The job reads ranges of the database, where earlier writes of the same transaction are not visible yet. */
  readonly scans: boolean;
  /** The approximate number of bytes to be written. */
  readonly bytes: number;
  /** It removes more than it writes, and is let in while the disk is nearly full. */
  readonly frees?: boolean;
  /** Decides and writes, all synchronously, the reading before the first write: what throws has written nothing. */
  run(turn: CommitTurn): T;
}

/** The writes of a transaction so far, as far as later jobs of the same transaction must see them. */
export class CommitTurn {
  readonly heads = new Map<string, HeadRow | null>();
  /** By context id, NUL, request id. */
  readonly requests = new Map<string, Request>();
  /** Times of members that expire, by context id, NUL, generation, colon, number; 0: the member is gone. */
  readonly members = new Map<string, number>();
}

/** Guards the disk: see disk-space.ts. */
export interface CommitGate {
  /** Resolves when `bytes` more may be written; `frees`: by what frees space. Throws when they may not. */
  admit(bytes: number, frees: boolean): Promise<void>;
  readonly maxBytesPerTurn: number;
}

interface Waiting {
  readonly job: Job<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** The result of the job, which is answered when the transaction is durable. */
  value: unknown;
  failure: unknown;
}

export class GroupCommit {
  #line: Waiting[] = [];
  #running: Promise<void> | null = null;
  /** Jobs in the current transaction. */
  #committing = 0;
  #failure: DiskFailure | undefined;
  readonly commitSeconds = new Histogram(0.0001, 17);
  readonly groupSizes = new Histogram(1, 11);

  constructor(
    readonly env: RootDatabase,
    readonly gate: CommitGate,
    /** Writes what the jobs of a transaction have left for its end. */
    private readonly finish: (turn: CommitTurn) => void,
    /** The transaction is durable; its jobs are answered next. */
    private readonly confirm: (turn: CommitTurn) => void,
    /** Called once, before the writes concerned are rejected. All later writes are rejected with the same error. */
    private readonly onDiskFailure: (failure: DiskFailure) => void,
  ) {}

  get waiting(): number {
    return this.#line.length + this.#committing;
  }

  /** Resolves when the writes of the job are durable. */
  write<T>(job: Job<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = resolve as (value: unknown) => void;
      this.#line.push({ job, resolve: settle, reject, value: undefined, failure: undefined });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when no job waits. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    // The other writes of this turn of the event loop join the first transaction.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#line.length > 0) {
      const turn = this.#take();
      try {
        if (this.#failure) throw this.#failure;
        const bytes = turn.reduce((sum, { job }) => sum + job.bytes, 0);
        const frees = turn.every(({ job }) => job.frees);
        await this.gate.admit(bytes, frees);
        await this.#commit(turn);
      } catch (error) {
        if (error instanceof DiskFailure && !this.#failure) {
          this.#failure = error;
          this.onDiskFailure(error);
        }
        // What builds upon these and still waits in line will find that the context stands elsewhere.
        for (const { reject } of turn) reject(error);
      }
    }
    this.#running = null;
  }

  /** Takes jobs from the front of the queue, as many as one transaction may have. */
  #take(): Waiting[] {
    const touched = new Set<string>();
    let bytes = 0;
    let count = 0;
    for (const { job } of this.#line) {
      bytes += job.bytes;
      const full = count === MAX_JOBS || bytes > this.gate.maxBytesPerTurn;
      const { id, others, scans } = job;
      const early = scans && (touched.has(id) || others?.some((other) => touched.has(other)));
      if (count > 0 && (full || early)) break;
      touched.add(id);
      if (others) for (const other of others) touched.add(other);
      count += 1;
    }
    return this.#line.splice(0, count);
  }

  async #commit(waiting: Waiting[]): Promise<void> {
    // lmdb renews its read view by itself after each commit. A stale view here would mean lost updates.
    this.env.resetReadTxn();
    const turn = new CommitTurn();
    const began = performance.now();
    this.#committing = waiting.length;
    const durable = this.env.batch(() => {
      for (const each of waiting) {
        try {
          each.value = each.job.run(turn);
        } catch (error) {
          each.failure = unreadable(error);
        }
      }
      this.finish(turn);
    });
    try {
      await durable;
    } catch (error) {
      throw await commitFailed(error);
    } finally {
      this.#committing = 0;
    }
    this.confirm(turn);
    this.commitSeconds.observe((performance.now() - began) / 1000);
    this.groupSizes.observe(waiting.length);
    for (const { resolve, reject, value, failure } of waiting) {
      if (failure === undefined) resolve(value);
      else reject(failure);
    }
  }
}
