/** Who made which part of a document. */
import type { BlameLine as ProtoLine } from './gen/chord/v1/sync_service.js';
import type { Json } from './json.js';
import { fromProvenance, fromTimestamp, type Path, type Position, type Provenance } from './model.js';

/**
 * A leaf of a document, and the version that made it what it is. A list or a string has a line for each run of elements or code
 * points that one version made.
 */
export interface BlameLine {
  /** Empty for the document itself, where it is empty. */
  readonly path: Path;
  /** Which elements or code points, of a list or a string that is not empty. */
  readonly run?: { readonly index: number; readonly count: number };
  /** The value, or these elements or this text of it. */
  readonly value: Json;
  /** 0: an older one than `olderThan` of the page. */
  readonly version: number;
  readonly updatedAt: Date | undefined;
  /** Absent: nothing is known. */
  readonly provenance?: Provenance;
}

/** Some lines, and what they are of. */
export interface BlamePage {
  /** In the order of the paths. */
  readonly lines: readonly BlameLine[];
  /** The version that the lines of all pages are of. */
  readonly position: Position;
  /** Lines without a version are older than this one, whose deltas are no longer kept, or too many. 0: each has its version. */
  readonly olderThan: number;
}

export function fromLine({ path, run, value, version, updatedAt, provenance }: ProtoLine): BlameLine {
  return {
    path: path?.keys ?? [],
    ...(run && { run: { index: run.index, count: run.count } }),
    value: value ?? null,
    version,
    updatedAt: fromTimestamp(updatedAt),
    ...(provenance && { provenance: fromProvenance(provenance) }),
  };
}
