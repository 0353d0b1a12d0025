/**
 * Archive before expiry: an expired context is exported, read back, and only then removed. A few contexts run at a time,
 * and only inside the sweep, so that an export provider that hangs or fails costs the sweep its deadline and no writes.
 *
 * A failed export is tried again after a while. While the export provider is away, no export is tried for some seconds.
 */
import { isUnavailable } from '../model/errors.js';
import type { Clock, Position } from '../model/model.js';
import { Slots } from '../model/slots.js';
import type { Transfer } from '../transfer/transfer.js';

/** Concurrent exports. */
const AT_ONCE = 8;
/** After this many calls in a row without an answer, the provider counts as away ... */
const AWAY_AFTER = 8;
/** ... and is tried again after this time. Milliseconds, as below. */
const PAUSE = 10_000;
/** A failed export of a context is tried again after this time. */
const RETRY_AFTER = 60_000;
/** The maximum number of remembered failures. */
const FAILURES_MAX = 10_000;

export class ArchiveBeforeExpiry {
  readonly #slots = new Slots(AT_ONCE);
  #awayInARow = 0;
  #pausedAt = Number.NEGATIVE_INFINITY;
  /** By context id: the time of the failure. */
  readonly #failures = new Map<string, number>();

  constructor(
    private readonly transfer: Pick<Transfer, 'exportForGood'>,
    private readonly clock: Clock,
  ) {}

  /** The export provider is away: no context can be removed now. */
  get paused(): boolean {
    return this.#within(this.#pausedAt, PAUSE);
  }

  /** The position whose export is confirmed: at that position the context may be removed. Undefined: not now. */
  async export(id: string): Promise<Position | undefined> {
    if (this.#within(this.#failures.get(id), RETRY_AFTER)) return undefined;
    return this.#slots.run(() => this.#export(id));
  }

  async #export(id: string): Promise<Position | undefined> {
    if (this.paused) return undefined;
    try {
      const exported = await this.transfer.exportForGood(id);
      this.#awayInARow = 0;
      this.#failures.delete(id);
      return exported?.position;
    } catch (error) {
      this.#failed(id, error);
      throw error;
    }
  }

  #failed(id: string, error: unknown): void {
    if (this.#failures.size >= FAILURES_MAX) this.#failures.clear();
    this.#failures.set(id, this.clock());
    this.#awayInARow = isUnavailable(error) ? this.#awayInARow + 1 : 0;
    if (this.#awayInARow >= AWAY_AFTER) this.#pausedAt = this.clock();
  }

  /** Whether `at` is less than `span` ago. A clock that was set back makes no wait longer. */
  #within(at: number | undefined, span: number): boolean {
    if (at === undefined) return false;
    const passed = this.clock() - at;
    return passed >= 0 && passed < span;
  }
}
