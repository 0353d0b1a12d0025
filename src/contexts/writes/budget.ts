/** What one request may cost, decided while it is evaluated: a batch shares one budget among its writes. */
import { ChordError } from '../../model/errors.js';

/** Of deltas: changes with their paths, and old values. */
const STORED_BYTES_MAX = 16 << 20;
/** Of documents that are stored anew; what is left out is due with the next write. */
const SNAPSHOT_BYTES_MAX = 8 << 20;
/** Elements that splices move along in their lists. To move as many takes about a tenth of a second. */
const MOVES_MAX = 200_000_000;

/** How many members one request may still have. An object or list in a list counts as one. */
export interface Room {
  members: number;
  readonly max: number;
}

export class Budget {
  #stored = STORED_BYTES_MAX;
  #snapshots = SNAPSHOT_BYTES_MAX;
  #moves = MOVES_MAX;

  /**
   * @param documentBytes the heaviest document, as `weigh` counts
   * @param members that the values of one request may have
   */
  constructor(
    readonly documentBytes: number,
    private readonly members: number,
  ) {}

  /** For the members of one request. */
  room(): Room {
    return { members: this.members, max: this.members };
  }

  /** As new: evaluation is synchronous, so that one budget serves all requests of one write, one after the other. */
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

  /** Whether a document of this weight may be stored anew. */
  snapshot(weight: number): boolean {
    if (weight > this.#snapshots) return false;
    this.#snapshots -= weight;
    return true;
  }

  move(elements: number): void {
    this.#moves -= elements;
    if (this.#moves >= 0) return;
    throw new ChordError('RESOURCE_EXHAUSTED', `the request would move over ${MOVES_MAX} elements of lists`);
  }
}

/** Of a delta that was not encoded to its end. */
export function tooMuchToStore(): ChordError {
  const limit = `the limit is ${STORED_BYTES_MAX}`;
  return new ChordError('RESOURCE_EXHAUSTED', `the request would store more bytes of changes than it may, ${limit}`);
}
