/**
 * What a commit tells the other servers: one line of JSON, and after it the record's bytes where there is one.
 * Redis puts the two together, so that a record travels there once.
 */
import type { Position } from '../../model/model.js';
import { decodeRecord } from '../record-format.js';
import type { FeedEvent } from '../store.js';

/** `by`: the nonce of the write. */
export type Message = { readonly id: string; readonly by: string } & (
  | { readonly from: Position | null }
  | { readonly removed: 'deleted' | 'expired'; readonly position: Position }
  | { readonly moved: true }
  | { readonly group: true }
);

export interface Told {
  readonly by: string;
  /** `group`: it was part of a commit of several contexts, of which redis-groups.ts finds out more. */
  readonly event: Exclude<FeedEvent, { kind: 'gap' | 'group' }> | { readonly kind: 'group'; readonly id: string };
}

const NEWLINE = 10;

export function encodeMessage(notice: Message): string {
  return `${JSON.stringify(notice)}\n`;
}

/** Null for what no Chord has written. */
export function decodeMessage(message: Buffer): Told | null {
  const end = message.indexOf(NEWLINE);
  try {
    const notice = JSON.parse(message.toString('utf8', 0, end)) as Message;
    const { id, by } = notice;
    if ('removed' in notice) {
      return { by, event: { kind: 'removed', id, reason: notice.removed, position: notice.position } };
    }
    if ('group' in notice) return { by, event: { kind: 'group', id } };
    if ('moved' in notice) return { by, event: { kind: 'moved', id } };
    const record = decodeRecord(Buffer.from(message.subarray(end + 1)), `a notice of context "${id}"`);
    return { by, event: { kind: 'committed', id, from: notice.from, record } };
  } catch {
    return null;
  }
}
