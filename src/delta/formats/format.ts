/** Other shapes of a delta, for clients that speak another language than Chord's changes. */
import type { Json } from '../../model/model.js';
import type { Changes } from '../types.js';

/** What a format is given. Values are shared with others: do not change them. */
export interface DeltaToFormat {
  readonly contextId: string;
  /** In the order in which they apply. Old values are in them whether or not they were asked for. */
  readonly changes: Changes;
  /** Whether the client asked for old values. */
  readonly oldValues: boolean;
}

/** A format cannot express these changes; `why` is for people. The client is told, and reads the document. */
export class Inexpressible {
  constructor(readonly why: string) {}
}

export type Formatter = (delta: DeltaToFormat) => Json | Inexpressible;

export interface Format {
  readonly format: Formatter;
  /**
   * Lists that changed come whole, as `modified` with the old and the new list, and never as splices. Costs a look at
   * the document for each delta that has splices.
   */
  readonly wholeLists?: boolean;
  /**
   * Bytes that what `format` answers takes at least, found without making it: where that is more than any client gets,
   * it is not made. Absent: nothing is known of it.
   */
  readonly bytesAtLeast?: (delta: DeltaToFormat) => number;
}
