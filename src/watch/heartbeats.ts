/**
 * What heartbeats vouch for: that everything written and answered before some moment has been sent. The moment is taken
 * before all that was told by then is queued; so when the heartbeat's turn comes, it holds, unless something that was
 * due before had to be put off.
 */
import type { ContextService } from '../contexts/service.js';
import type { Cursor } from './cursor.js';
import type { Hub } from './hub.js';

/** So often a heartbeat lets others go first that were due before it. */
const POSTPONED_MAX = 100;

export class Heartbeats {
  /** Lists under way of what there is under the prefixes. */
  listing = 0;
  /** Contexts whose turn has come, and which could not be sent then. */
  readonly #owed = new Set<Cursor>();
  #waiting = false;
  #postponed = 0;
  /** The moment of the heartbeat that waits; undefined: it was not confirmed. */
  #moment: number | undefined;
  #vouched: number | undefined;

  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
  ) {}

  /**
   * Calls back when the heartbeat may be queued; unless one is waiting already. `knows`: whether the reader has been offered
   * everything that existed when it was last listed.
   */
  begin(knows: () => boolean, queue: () => void): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const moment = this.service.now();
    const confirmed = this.hub.confirm();
    const ready = (known: boolean) => {
      // What a list finds later is queued behind the heartbeat.
      this.#moment = known && knows() && this.listing === 0 ? moment : undefined;
      queue();
    };
    if (!confirmed) {
      ready(true);
      return;
    }
    // A reader needs the sign of life also where nothing can be vouched for.
    confirmed
      .then(() => this.service.told())
      .then(
        () => ready(true),
        () => ready(false),
      );
  }

  owe(cursor: Cursor): void {
    this.#owed.add(cursor);
  }

  paid(cursor: Cursor): void {
    this.#owed.delete(cursor);
  }

  /** Whether others should go first. */
  waits(): boolean {
    return this.#owed.size > 0 && this.#postponed++ < POSTPONED_MAX;
  }

  /** Its turn has come: what it vouches for. `knows`: the reader has everything that existed when it was last listed. */
  take(knows: boolean): number | undefined {
    this.#waiting = false;
    this.#postponed = 0;
    const holds = knows && this.listing === 0 && this.#owed.size === 0;
    if (holds && this.#moment !== undefined) this.#vouched = this.#moment;
    return this.#vouched;
  }
}
