/** Delta formats: the shapes in which a delta is written for clients that do not read Chord's own changes. */
import type { Json } from '../../model/model.js';
import type { Changes } from '../types.js';

/** The input of a format. Values are shared with other readers: a format must not change them. */
export interface DeltaToFormat {
  readonly contextId: string;
  /** In the order in which they apply. The changes carry old values whether or not the client requested them. */
  readonly changes: Changes;
  /** Whether the client requested old values. */
  readonly oldValues: boolean;
}

/** The format cannot express these changes. The client gets `why`, a text for people, and then reads the document. */
export class Inexpressible {
  constructor(readonly why: string) {}
}

export type Formatter = (delta: DeltaToFormat) => Json | Inexpressible;

export interface Format {
  readonly format: Formatter;
  /**
   * A changed list comes whole, as `modified` with the old and the new list, and never as splices. This costs a read of
   * the document for each delta that has splices. Then changed strings come whole too.
   */
  readonly wholeLists?: boolean;
  /** A changed string may come as `text_spliced`. Otherwise it comes whole, as `modified`, at the same cost as a list. */
  readonly textSplices?: boolean;
  /**
   * A lower bound of the formatted size in bytes, computed without formatting: a delta whose bound exceeds the limit of
   * a message is not formatted. Absent: the format has no bound.
   */
  readonly bytesAtLeast?: (delta: DeltaToFormat) => number;
}
