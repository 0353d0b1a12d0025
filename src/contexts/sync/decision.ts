/** The sync decision: pure, so that every case can be read and tested in one place. */
import type { Position } from '../../model/model.js';
import type { FullReason } from '../events.js';

/**
 * What a client at position `known` needs from a context at position `head`.
 * `behind`: the deltas after `known.version`, provided that the history agrees with the client's digest.
 */
export type Decision =
  | { readonly kind: 'full'; readonly reason: FullReason }
  | { readonly kind: 'no_change' }
  | { readonly kind: 'behind' };

/**
 * A delta is answered only where it is exactly right. A client that is ahead of the head never gets the answer that
 * nothing changed. A position without epoch or digest comes from a hand-written call; its missing parts match anything.
 */
export function decide(known: Position | undefined, head: Position, threshold: number): Decision {
  if (!known || known.version === 0) return { kind: 'full', reason: 'initial' };
  if (known.epoch !== '' && known.epoch !== head.epoch) return { kind: 'full', reason: 'epoch_changed' };
  if (known.version > head.version) return { kind: 'full', reason: 'ahead' };
  if (known.version === head.version) {
    return agrees(known, head) ? { kind: 'no_change' } : { kind: 'full', reason: 'diverged' };
  }
  if (head.version - known.version > threshold) return { kind: 'full', reason: 'history_truncated' };
  return { kind: 'behind' };
}

/** Whether a client's position belongs to the history that has `ours` at the same version. */
export function agrees(known: Position, ours: Position): boolean {
  return known.digest === '' || known.digest === ours.digest;
}
