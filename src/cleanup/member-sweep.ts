/**
 * Removes the members of documents whose time is over, as soon as it is. A timer is set for the next of them, as far as this
 * process knows; members that it does not know of, since another server wrote them, are found once a second.
 *
 * Every server does this for what it has written, with or without the lease: a removal is a conditional commit, so that of
 * two servers only one removes a member.
 */
import type { ContextService } from '../contexts/service.js';
import type { Clock } from '../model/model.js';
import type { Store } from '../store/store.js';

/** Contexts that are handled together, so that their removals share a commit. */
const BATCH = 256;
const PAGE = 8 * BATCH;
/** Removals that are due one shortly after the other are made together. In milliseconds, as below. */
const PAUSE = 50;
/** After a failure, the next second tries again. */
const PAUSE_AFTER_FAILURE = 1000;
/** Longer timers are set again. */
const TIMER_MAX = 3_600_000;

export interface MemberSweepParts {
  readonly store: Store;
  readonly contexts: Pick<ContextService, 'endMembers'>;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export class MemberSweep {
  #timer: NodeJS.Timeout | undefined;
  /** What the timer is set for. */
  #wakesAt = Number.POSITIVE_INFINITY;
  #ranAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(private readonly parts: MemberSweepParts) {}

  /** A member expires at this time or later. */
  expiresAt(due: number): void {
    if (due >= this.#wakesAt || this.#closed) return;
    this.#wakesAt = due;
    clearTimeout(this.#timer);
    const now = this.parts.clock();
    const rest = this.#ranAt + PAUSE - now;
    const wait = Math.min(Math.max(due - now, rest > PAUSE ? 0 : rest, 0), TIMER_MAX);
    this.#timer = setTimeout(() => void this.run(), wait).unref();
  }

  /** Removes what is due now; a run in progress goes on. Never rejects. */
  run(): Promise<void> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when the current batch is done. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    const { store, clock, onError } = this.parts;
    clearTimeout(this.#timer);
    this.#wakesAt = Number.POSITIVE_INFINITY;
    this.#ranAt = clock();
    let failed = false;
    const end = (id: string) =>
      this.parts.contexts.endMembers(id).catch((error) => {
        failed = true;
        onError(error);
      });
    try {
      let page = await store.due('members', this.#ranAt, PAGE);
      for (; page.length > 0; page = await store.due('members', this.#ranAt, PAGE, page.at(-1))) {
        for (let at = 0; at < page.length; at += BATCH) {
          if (this.#closed) return;
          await Promise.all(page.slice(at, at + BATCH).map(({ id }) => end(id)));
        }
        if (page.length < PAGE) break;
      }
      const [next] = await store.due('members', Number.MAX_SAFE_INTEGER, 1);
      if (next) this.expiresAt(failed ? clock() + PAUSE_AFTER_FAILURE : next.key);
    } catch (error) {
      if (!this.#closed) onError(error);
    }
  }
}
