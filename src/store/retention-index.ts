/**
 * How an engine keeps the four indexes of `Store.due` without a write for each write.
 *
 * The one rule: *an entry stands at or before the true key*. While it does, a write leaves it alone; whoever looks
 * something up compares what it met with the truth, and moves the entries that stood too early. So a context that is
 * written to all day costs one move for each time that somebody looks, and a renewal costs nothing.
 *
 * All keys but one grow as time goes on, which keeps the rule by itself. `length` shrinks by one with each record:
 * there an entry is put ahead, at the next power of two, and is overtaken only when the log has doubled.
 */
import { type Head, usedAt } from '../model/model.js';
import type { Index, Removal } from './store.js';

/** The order of everything that is kept for each index. */
export const INDEXES = ['expiry', 'idle', 'age', 'length'] as const satisfies readonly Index[];

/** One number for each of INDEXES; NaN where the context has no place in it. */
export type IndexKeys = readonly number[];

export const NOWHERE: IndexKeys = INDEXES.map(() => Number.NaN);

/** Where a context belongs: `records` are retained, the oldest of them from `oldestAt`. */
export function trueKeys(head: Head, records: number, oldestAt: number): IndexKeys {
  const { expiry } = head;
  return [
    expiry ? expiry.at : Number.NaN,
    expiry ? Number.NaN : usedAt(head),
    records > 0 ? oldestAt : Number.NaN,
    records > 1 ? -records : Number.NaN,
  ];
}

/** Where its entries stand after a write, given where they stood before: as a rule the same. */
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

/** Whether somebody renewed the context, which the removal does not know of. */
export function renewedSince(head: Head, { expiry, usedAt: used }: Removal): boolean {
  return (expiry !== undefined && head.expiry?.at !== expiry.at) || (used !== undefined && usedAt(head) > used);
}
