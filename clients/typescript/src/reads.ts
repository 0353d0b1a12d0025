/** What reads take beside their subject. */
import { checkPathList } from './fault.js';
import { type Path, toPath } from './model.js';
import type { CallOptions } from './options.js';

export interface GetOptions extends CallOptions {
  /** The document at this version of the present life, as far as its history is retained. */
  readonly version?: number | undefined;
  /** The document as it was then, as far as its history is retained. */
  readonly at?: Date | undefined;
  /** Which members expire, and when. */
  readonly includeExpiries?: boolean | undefined;
}

export interface ReadOptions extends CallOptions {
  /** Old values with the changes. */
  readonly includeOldValues?: boolean | undefined;
  /** Of deltas: 'flat', 'json_patch', 'merge_patch' or one of the server's own, in `formatted`. Default: `changes`. */
  readonly format?: string | undefined;
  /** Only these parts of the document; with `known`, those that the copy was made with. */
  readonly paths?: readonly Path[] | undefined;
}

export interface PageOptions extends CallOptions {
  /** Items of a page, 1 to 1000. Default: 100. */
  readonly pageSize?: number | undefined;
}

/** @throws ChordError */
export function toReading({ includeOldValues = false, format = '', paths = [] }: ReadOptions) {
  checkPathList('paths', paths);
  return { includeOldValues, format, paths: paths.map(toPath) };
}
