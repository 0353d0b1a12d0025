/** What is to be removed when: pure, so that every case can be read and tested in one place. Times are milliseconds. */
import { type Head, usedAt } from '../model/model.js';
import type { Index } from '../store/store.js';

export interface RetentionRules {
  /** Whether contexts without a time to live of their own are removed when nobody uses them. */
  readonly contextAutoDelete: boolean;
  /** If so: how long after their last write or touch. */
  readonly contextTtl: number;
  /** How long deltas are kept. */
  readonly deltaTtl: number;
  /** How many deltas of a context are kept. */
  readonly deltaThreshold: number;
}

/** A context as cleanup finds it. */
export interface Found {
  readonly head: Head;
  /** The first version whose record is retained; one above the head's where none is. */
  readonly oldest: number;
  /** The last version whose record is older than deltas may become; below `oldest` where none is. */
  readonly outdated: number;
}

export type Plan =
  | { readonly kind: 'keep' }
  /** Its time to live has run out, or nobody used it for too long. */
  | { readonly kind: 'remove'; readonly reason: 'expired' | 'idle' }
  /** Records up to and with this version are to go. */
  | { readonly kind: 'trim'; readonly upTo: number };

/** In each index: the highest key that is due. Absent: nothing is. */
export function dueUpTo(rules: RetentionRules, now: number): Partial<Record<Index, number>> {
  const [idle, age] = [now - rules.contextTtl, now - rules.deltaTtl];
  return {
    expiry: now,
    ...(rules.contextAutoDelete && idle >= 0 && { idle }),
    ...(age >= 0 && { age }),
    length: -(recordsKept(rules) + 1),
  };
}

export function plan({ head, oldest, outdated }: Found, rules: RetentionRules, now: number): Plan {
  const { expiry, position } = head;
  if (expiry && expiry.at <= now) return { kind: 'remove', reason: 'expired' };
  const idle = rules.contextAutoDelete && !expiry && usedAt(head) <= now - rules.contextTtl;
  if (idle) return { kind: 'remove', reason: 'idle' };
  const upTo = Math.max(outdated, position.version - recordsKept(rules));
  return upTo < oldest ? { kind: 'keep' } : { kind: 'trim', upTo };
}

/** How many deltas records make that begin with version `oldest`: a delta needs the position before it. */
export function deltasIn(oldest: number, head: Head): number {
  const records = head.position.version - oldest + 1;
  return oldest === 1 ? records : Math.max(0, records - 1);
}

/** One more than deltas: the first one only says where the second one begins. */
export function recordsKept({ deltaThreshold }: Pick<RetentionRules, 'deltaThreshold'>): number {
  return deltaThreshold + 1;
}
