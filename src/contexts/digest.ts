/** Where positions come from. */
import { hash, randomBytes } from 'node:crypto';
import type { Position } from '../model.js';
import type { Payload } from '../store/store.js';

/** The position that version 0 of a new life would have: the first delta leads away from here. */
export function newLife(): Position {
  return { epoch: plain(randomBytes(6).toString('base64url')), version: 0, digest: '' };
}

/**
 * The position after one more delta. The digest chains all deltas of the epoch: 48 bits, enough to tell
 * apart two histories that a failover produced; it is no defence against someone who wants a collision.
 */
export function advance(from: Position, payload: Payload): Position {
  const bytes = Buffer.concat([Buffer.from(from.digest, 'latin1'), payload.changes, payload.olds]);
  return {
    epoch: from.epoch,
    version: from.version + 1,
    digest: plain(hash('sha256', bytes, 'base64url').slice(0, 8)),
  };
}

/** Letters and digits only: a position must survive command lines. Costs a fraction of a bit. */
function plain(text: string): string {
  return text.replaceAll('-', '0').replaceAll('_', '1');
}
