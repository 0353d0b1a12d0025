/** What reads take beside their subject, and what they answer. */
import { checkPathList } from './fault.js';
import { FullReason } from './gen/chord/v1/model.js';
import type { WaitContextResponse } from './gen/chord/v1/sync_service.js';
import { fromDelta, fromPosition, type Path, toPath } from './model.js';
import type { CallOptions, SyncResult } from './options.js';
import { fromFull } from './writes.js';

/** Of `get`. */
export interface GetOptions extends CallOptions {
  /** The document at this version of the present life, as far as its history is retained. */
  readonly version?: number | undefined;
  /** The document as it was then, as far as its history is retained. */
  readonly at?: Date | undefined;
  /** Which members expire, and when. */
  readonly includeExpiries?: boolean | undefined;
}

/** How a document or its changes are wanted. */
export interface ReadOptions extends CallOptions {
  /** Old values with the changes. */
  readonly includeOldValues?: boolean | undefined;
  /**
   * Of deltas: 'flat', 'json_patch', 'merge_patch' or one of the server's own, in `formatted`; `changes` is empty then.
   * Default: `changes`.
   */
  readonly format?: string | undefined;
  /** Only these parts of the document; with `known`, those that the copy was made with. */
  readonly paths?: readonly Path[] | undefined;
}

/** Of calls whose answer comes in pages. */
export interface PageOptions extends CallOptions {
  /** Items of a page, 1 to 1000. Default: 100. */
  readonly pageSize?: number | undefined;
}

/** @throws ChordError */
export function toReading({ includeOldValues = false, format = '', paths = [] }: ReadOptions) {
  checkPathList('paths', paths);
  return { includeOldValues, format, paths: paths.map(toPath) };
}

export function fromSync({ result }: Pick<WaitContextResponse, 'result'>): SyncResult {
  if (result?.$case === 'full') {
    return { type: 'full', ...fromFull(result.value.context!), reason: FullReason[result.value.reason] };
  }
  if (result?.$case === 'delta') return { type: 'delta', ...fromDelta(result.value) };
  return { type: 'noChange', position: fromPosition(result?.value.position) };
}
