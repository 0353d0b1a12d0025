/**
 * Export before removal: what has expired is saved, read back, and only then removed. A few at a time, and in the
 * sweep alone, so that an external store that hangs or fails costs the sweep its deadline and writes nothing.
 *
 * What fails is tried again after a while. When the external store is away, nothing is tried for some seconds.
 */
import { isUnavailable } from '../model/errors.js';
import type { Clock, Position } from '../model/model.js';
import { Slots } from '../model/slots.js';
import type { Transfer } from '../transfer/transfer.js';

/** Calls to the external store under way. */
const AT_ONCE = 8;
/** So many calls in a row without an answer: it is away ... */
const AWAY_AFTER = 8;
/** ... and asked again after this time. Milliseconds, as below. */
const PAUSE = 10_000;
/** A context that could not be exported is tried again after this time. */
const RETRY_AFTER = 60_000;
/** The most failures that are remembered. */
const FAILURES_MAX = 10_000;

export class ArchiveBeforeExpiry {
  readonly #slots = new Slots(AT_ONCE);
  #awayInARow = 0;
  #pausedAt = Number.NEGATIVE_INFINITY;
  /** By context id: when it failed. */
  readonly #failures = new Map<string, number>();

  constructor(
    private readonly transfer: Pick<Transfer, 'exportForGood'>,
    private readonly clock: Clock,
  ) {}

  /** The external store is away: nothing can be removed now. */
  get paused(): boolean {
    return this.#within(this.#pausedAt, PAUSE);
  }

  /** Where the context stood whose export is confirmed: there it may be removed. Undefined: it may not, for now. */
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

  /** Whether `at` is less than `span` ago. A clock that was set back makes nothing wait longer. */
  #within(at: number | undefined, span: number): boolean {
    if (at === undefined) return false;
    const passed = this.clock() - at;
    return passed >= 0 && passed < span;
  }
}
