/** The cost limits of one request, checked during its evaluation; the writes of a batch share one budget. */
import { ChordError } from '../../model/errors.js';

/** Bytes of deltas: changes with their paths, and old values. */
const STORED_BYTES_MAX = 16 << 20;
/** Bytes of snapshots; a snapshot that is skipped is due with the next write. */
const SNAPSHOT_BYTES_MAX = 8 << 20;
/** Elements that splices move within their lists, and UTF-16 units of the strings that are spliced. Moving this many takes about a tenth of a second. */
const MOVES_MAX = 200_000_000;

/** The members that a request may still have. An object or a list inside a list counts as one member. */
export interface Room {
  members: number;
  readonly max: number;
  /** Elements of the lists so far: they have no limit of their own. */
  elements: number;
}

export class Budget {
  #stored = STORED_BYTES_MAX;
  #snapshots = SNAPSHOT_BYTES_MAX;
  #moves = MOVES_MAX;

  /**
   * @param documentBytes the maximum weight of a document, as `weigh` counts
   * @param members the maximum number of members in the values of one request
   */
  constructor(
    readonly documentBytes: number,
    private readonly members: number,
    private readonly shared = true,
  ) {}

  /** A new count of members, for one request. */
  room(): Room {
    return { members: this.members, max: this.members, elements: 0 };
  }

  /** A budget with these limits, for a batch or a write that is evaluated in several turns. */
  another(): Budget {
    return new Budget(this.documentBytes, this.members, false);
  }

  /** The budget for a write that is evaluated in several turns: another one, where all single writes share this one. */
  own(): Budget {
    return this.shared ? this.another() : this;
  }

  /** Resets the budget: a single write is evaluated in one turn, so one budget serves all single writes. */
  renew(): this {
    this.#stored = STORED_BYTES_MAX;
    this.#snapshots = SNAPSHOT_BYTES_MAX;
    this.#moves = MOVES_MAX;
    return this;
  }

  /** Bytes that a delta may still take. */
  get stored(): number {
    return this.#stored;
  }

  store(bytes: number): void {
    this.#stored -= bytes;
  }

  /** Whether a snapshot of this weight may be stored. */
  snapshot(weight: number): boolean {
    if (weight > this.#snapshots) return false;
    this.#snapshots -= weight;
    return true;
  }

  move(elements: number): void {
    this.#moves -= elements;
    if (this.#moves >= 0) return;
    throw new ChordError(
      'RESOURCE_EXHAUSTED',
      `the request would move more than ${MOVES_MAX} list elements or characters of strings`,
    );
  }
}

/** The error for a delta whose encoding was stopped at the limit. */
export function tooMuchToStore(): ChordError {
  const limit = `the limit is ${STORED_BYTES_MAX}`;
  return new ChordError('RESOURCE_EXHAUSTED', `the request would store too many bytes of changes, ${limit}`);
}
