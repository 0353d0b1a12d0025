/**
 * Keeps the indexes of `Store.due` without an index write for each write.
 *
 * The one rule: *an entry is at or before the true key*. While that holds, a write leaves the entry alone; a look-up
 * compares each entry that it reads with the true key, and moves the entries that are too early. So a context that is
 * written all day costs one move per look-up, and a renewal costs nothing.
 *
 * Most keys grow over time, which keeps the rule by itself. `members` moves back with a shorter time to live, and the entry
 * with it. `length` decreases by one with each record: there an
 * entry is placed ahead, at the next power of two, and is passed only when the log has doubled.
 */
import { type Head, usedAt } from '../model/model.js';
import type { Index, Removal } from './store.js';

/** The order of all arrays that have one element per index. */
export const INDEXES = ['expiry', 'idle', 'age', 'length', 'members'] as const satisfies readonly Index[];

/** One number for each of INDEXES; NaN where the context has no entry in the index. */
export type IndexKeys = readonly number[];

export const NOWHERE: IndexKeys = INDEXES.map(() => Number.NaN);

/** The true keys of a context with `records` retained records; `age`: when the oldest was written, or what `thin` has set. */
export function trueKeys(head: Head, records: number, age: number): IndexKeys {
  const { expiry } = head;
  return [
    expiry ? expiry.at : Number.NaN,
    expiry ? Number.NaN : usedAt(head),
    records > 0 ? age : Number.NaN,
    records > 1 ? -records : Number.NaN,
    head.members?.due ?? Number.NaN,
  ];
}

/** The keys of the entries after a write, from the keys before it: usually the same object. */
export function entriesAfter(before: IndexKeys, truth: IndexKeys): IndexKeys {
  if (truth.every((key, index) => staysAt(before[index] as number, key))) return before;
  return truth.map((key, index) => {
    if (staysAt(before[index] as number, key)) return before[index] as number;
    return INDEXES[index] === 'length' ? -ceilingPower(-key) : key;
  });
}

function staysAt(entry: number, key: number): boolean {
  return entry <= key || (Number.isNaN(entry) && Number.isNaN(key));
}

/** The lowest power of two that is not below `count`; NaN for NaN. */
function ceilingPower(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/** Whether the context was renewed in a way that the removal does not include. */
export function renewedSince(head: Head, { expiry, usedAt: used }: Removal): boolean {
  if (expiry !== undefined) return head.expiry?.at !== expiry.at;
  // A touch may have given a time to live to a context that had none.
  return used !== undefined && (head.expiry !== undefined || usedAt(head) > used);
}
