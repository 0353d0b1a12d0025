/**
 * The message of a commit to the other servers: one line of JSON, followed by the record's bytes where there is a record.
 * Redis joins the two, so that the record is sent to Redis once.
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
  /** `batch`: the write was part of a batch commit, whose contexts batch.ts reads. */
  readonly event: Exclude<FeedEvent, { kind: 'gap' | 'batch' }> | { readonly kind: 'batch'; readonly id: string };
}

const NEWLINE = 10;

export function encodeMessage(message: Message): string {
  return `${JSON.stringify(message)}\n`;
}

/** Null for bytes that are no message of Chord. */
export function decodeMessage(bytes: Buffer): Told | null {
  const end = bytes.indexOf(NEWLINE);
  try {
    const message = JSON.parse(bytes.toString('utf8', 0, end)) as Message;
    const { id, by } = message;
    if ('removed' in message) {
      return { by, event: { kind: 'removed', id, reason: message.removed, position: message.position } };
    }
    if ('group' in message) return { by, event: { kind: 'batch', id } };
    if ('moved' in message) return { by, event: { kind: 'moved', id } };
    const record = decodeRecord(Buffer.from(bytes.subarray(end + 1)), `a message of context "${id}"`);
    return { by, event: { kind: 'committed', id, from: message.from, record } };
  } catch {
    return null;
  }
}
