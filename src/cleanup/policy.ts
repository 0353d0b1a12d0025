/** Decides what is removed and when: pure, so that each case can be read and tested in one place. Times: milliseconds. */
import { type Head, usedAt } from '../model/model.js';
import type { Tier } from '../model/tiers.js';
import type { Index } from '../store/store.js';
import { everythingFor, reach } from './tiers.js';

export interface RetentionRules {
  /** Whether unused contexts are removed that have no time to live of their own. */
  readonly contextAutoDelete: boolean;
  /** If so: the time after their last write or touch. */
  readonly contextTtl: number;
  /** How long deltas are kept. */
  readonly deltaTtl: number;
  /** How many deltas are kept for each context. */
  readonly deltaThreshold: number;
  /** Where there are tiers, they alone say which deltas are kept. Absent or empty: `deltaTtl` and `deltaThreshold` do. */
  readonly deltaRetention?: readonly Tier[];
}

/** Times in milliseconds. */
export interface CleanupOptions extends RetentionRules {
  /** How long request ids are kept. */
  readonly requestTtl: number;
}

/** A context as cleanup finds it in the store. */
export interface Found {
  readonly head: Head;
  /** The first version whose record is retained; the head's version plus 1 where no record is retained. */
  readonly oldest: number;
  /** The last version whose record is over the maximum age; below `oldest` where no record is. */
  readonly outdated: number;
}

export type Plan =
  | { readonly kind: 'keep' }
  /** The time to live has ended, or the context was unused for too long. */
  | { readonly kind: 'remove'; readonly reason: 'expired' | 'idle' }
  /** Records up to and including this version are dropped. */
  | { readonly kind: 'trim'; readonly upTo: number };

/** For each index, the highest key that is due. Absent: nothing is due. */
export function dueUpTo(rules: RetentionRules, now: number): Partial<Record<Index, number>> {
  const tiers = rules.deltaRetention ?? [];
  const [idle, age] = [now - rules.contextTtl, now - (tiers.length > 0 ? everythingFor(tiers) : rules.deltaTtl)];
  return {
    expiry: now,
    ...(rules.contextAutoDelete && idle >= 0 && { idle }),
    ...(age >= 0 && { age }),
    ...(tiers.length === 0 && { length: -(recordsKept(rules) + 1) }),
  };
}

export function plan({ head, oldest, outdated }: Found, rules: RetentionRules, now: number): Plan {
  const { expiry, position } = head;
  if (expiry && expiry.at <= now) return { kind: 'remove', reason: 'expired' };
  const idle = rules.contextAutoDelete && !expiry && usedAt(head) <= now - rules.contextTtl;
  if (idle) return { kind: 'remove', reason: 'idle' };
  const upTo = isTiered(rules) ? outdated : Math.max(outdated, position.version - recordsKept(rules));
  return upTo < oldest ? { kind: 'keep' } : { kind: 'trim', upTo };
}

export function isTiered({ deltaRetention = [] }: RetentionRules): boolean {
  return deltaRetention.length > 0;
}

/** How long the oldest deltas are kept. */
export function deltaReach({ deltaRetention = [], deltaTtl }: RetentionRules): number {
  return deltaRetention.length > 0 ? reach(deltaRetention) : deltaTtl;
}

/** The number of deltas in the records from version `oldest` on: a delta needs the position before it. */
export function deltasIn(oldest: number, head: Head): number {
  const records = head.position.version - oldest + 1;
  return oldest === 1 ? records : Math.max(0, records - 1);
}

/** One more than deltas: the first one only says where the second one begins. */
export function recordsKept({ deltaThreshold }: Pick<RetentionRules, 'deltaThreshold'>): number {
  return deltaThreshold + 1;
}
