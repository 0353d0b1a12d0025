/** Lists in pages: of contexts, and of the history of one context. A token says where the next page begins. */
import { invalid } from '../model/errors.js';
import type { Head, Position } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { DeltaView } from './events.js';
import { viewsOf } from './sync/history.js';
import { checkPrefix, isId, PAGE_BYTES, pageSize } from './validation.js';

export interface PageOptions {
  readonly pageSize?: number;
  readonly pageToken?: string;
}

export interface HeadPage {
  readonly heads: readonly { readonly id: string; readonly head: Head }[];
  readonly nextPageToken: string;
}

export interface DeltaPage {
  readonly deltas: readonly DeltaView[];
  readonly nextPageToken: string;
  readonly head: Position;
  /** The deltas directly after the requested version are no longer retained. */
  readonly truncated: boolean;
}

/** Heads in the byte order of their ids. A page may be short; while it has a token, there are more heads. */
export async function headPage(
  store: Store,
  prefix: string,
  options: PageOptions,
  isGone: (head: Head) => boolean,
): Promise<HeadPage> {
  checkPrefix(prefix);
  const after = options.pageToken ? idBefore(options.pageToken) : undefined;
  if (after !== undefined && !after.startsWith(prefix)) throw invalid('pageToken', 'belongs to another list');
  const { heads, next } = await store.list(prefix, after, pageSize(options.pageSize ?? 0));
  return {
    heads: heads.filter(({ head }) => !isGone(head)),
    nextPageToken: next === undefined ? '' : tokenAfter(next),
  };
}

/** The page token of a list that continues after this id. */
export function tokenAfter(id: string): string {
  return Buffer.from(id).toString('base64url');
}

function idBefore(token: string): string {
  const id = Buffer.from(token, 'base64url').toString();
  if (tokenAfter(id) !== token || !isId(id)) throw invalid('pageToken', 'does not belong to this list');
  return id;
}

/** Retained deltas after a version, oldest first, of a context at position `head`. */
export async function deltaPage(
  store: Store,
  id: string,
  head: Position,
  fromVersion: number,
  options: PageOptions,
): Promise<DeltaPage> {
  const size = pageSize(options.pageSize ?? 0);
  const after = options.pageToken ? versionOf(options.pageToken, head) : fromVersion;
  // Only the record before a delta holds the position at which that delta starts.
  let read = await store.deltas(id, Math.max(0, after - 1), size + 1, PAGE_BYTES);
  let truncated = read.kind === 'truncated';
  if (read.kind === 'truncated') read = await store.deltas(id, read.oldest - 1, size + 1, PAGE_BYTES);
  // A record that fills the page on its own must not end the list there.
  const [only, next] = read.kind === 'records' ? read.records : [];
  if (only && !next && after > 0 && only.position.version < head.version) {
    read = await store.deltas(id, only.position.version - 1, 2);
  }
  const records = read.kind === 'records' ? read.records : [];
  // The version itself was merged away: what comes next begins at a later one.
  truncated ||= after > 0 && records[0] !== undefined && records[0].position.version > after;
  const deltas = viewsOf(id, records, after === 0).slice(0, size);
  const last = deltas.at(-1)?.to ?? records.at(-1)?.position;
  const more = last !== undefined && last.version < head.version;
  return { deltas, nextPageToken: more ? tokenAfterDelta(last) : '', head, truncated };
}

/** The page with only its first deltas, perhaps in another form; the token then names the last of them. */
export function cutTo(page: DeltaPage, deltas: readonly DeltaView[]): DeltaPage {
  const last = page.deltas[deltas.length - 1];
  const cut = last && deltas.length < page.deltas.length;
  return { ...page, deltas, nextPageToken: cut ? tokenAfterDelta(last.to) : page.nextPageToken };
}

/** The page token of a history that continues after the delta to this position. */
export function tokenAfterDelta({ epoch, version }: Position): string {
  return `${epoch}:${version}`;
}

function versionOf(token: string, head: Position): number {
  const [epoch, version = ''] = token.split(':');
  if (!/^\d{1,15}$/.test(version)) throw invalid('pageToken', 'does not belong to this list');
  if (epoch !== head.epoch) throw invalid('pageToken', 'is of an earlier life of the context');
  return Number(version);
}
