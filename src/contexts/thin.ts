/**
 * Thins the history of a context: of the retained versions some are merged away. Of the deltas those are read, once, from the
 * oldest on, of whose times something may be due, and they are merged in portions, so that neither their number nor their
 * bytes are held in memory or by one step of the store.
 */
import { type Head, MERGED_PROVENANCE_BYTES_MAX } from '../model/model.js';
import { Slots } from '../model/slots.js';
import type { LogRecord, MergedRecord, Store } from '../store/store.js';
import type { Lane } from './lane/lane.js';
import { Pace, SMALL_BYTES } from './long-work.js';
import { advance, leadsOn } from './position.js';
import { viewsOf } from './sync/history.js';
import { bytesOf, mergeCost, mergeInSteps, mergeViews } from './sync/merge.js';
import { takeSnapshot } from './trim.js';
import { PAGE_BYTES } from './validation.js';

/** What is merged, and when more will be. Times: milliseconds since 1970. */
export interface ThinningPlan {
  /** Whether a version goes, given when it and the next retained version were written. The oldest and the newest stay. */
  merges(at: number, nextAt: number): boolean;
  /** The first time from `at` on of which versions go, or behind which they will next: `at` itself, a later one, or Infinity. */
  readFrom(at: number): number;
  /** The key in the index `age` under which the context is due again, for two versions that both stay; `at`: as above. */
  dueAgain(at: number, nextAt: number): number;
  /** The same, at the earliest, for all versions from `at` on and before `readFrom(at)`. */
  dueAgainFrom(at: number): number;
  /** The same for the oldest version. */
  dueFor(oldestAt: number): number;
}

/** What was done; `upTo`: the last version that was merged. */
export interface Thinned {
  readonly count: number;
  readonly upTo: number;
}

/** Records, and their bytes, of one portion; a portion has one record more. */
const PORTION_RECORDS = 500;
const PORTION_BYTES = 4 << 20;
/** Records that are read at first where the history is looked into; then more. */
const FIRST_RECORDS = 16;

/** Contexts that are thinned at once, since each holds a portion. */
const slots = new Slots(4);

/** Answers the number of versions that were merged away, which may be less than planned where other work came in between. */
export function thin(store: Store, id: string, plan: ThinningPlan, lane: () => Lane): Promise<Thinned> {
  return slots.run(() => thinOne(store, id, plan, lane));
}

async function thinOne(store: Store, id: string, plan: ThinningPlan, lane: () => Lane): Promise<Thinned> {
  const head = await store.head(id);
  if (!head || !store.thin) return { count: 0, upTo: 0 };
  const done = { count: 0, upTo: 0 };
  /** Merged records that are not stored yet, and the number of versions that they replace. */
  let merged: MergedRecord[] = [];
  let replaced = 0;
  const put = async (next: number): Promise<boolean> => {
    const thinning = { id, merged, next, head };
    // A record that no snapshot covers stays: then a snapshot is stored first.
    const stored =
      (await store.thin?.(thinning)) ||
      (merged.length > 0 && (await lane().submit(takeSnapshot)) && (await store.thin?.(thinning)));
    if (!stored) return false;
    done.count += replaced;
    done.upTo = merged.at(-1)?.position.version ?? done.upTo;
    merged = [];
    replaced = 0;
    return true;
  };

  let base: LogRecord | undefined;
  /** Records behind the base of which none but perhaps the last stays. */
  let portion: LogRecord[] = [];
  let oldestAt: number | undefined;
  let next = Number.MAX_SAFE_INTEGER;
  let whole = false;
  const merge = async (): Promise<void> => {
    if (!base || portion.length < 2) return;
    const record = await mergedRecord(id, base, portion);
    merged.push(record);
    replaced += portion.length - 1;
    portion = [record];
  };

  for await (const { record, skipped } of recordsOf(store, id, head, plan)) {
    if (record.position.epoch !== head.position.epoch) return done;
    if (oldestAt === undefined) {
      oldestAt = record.at;
      next = plan.dueFor(oldestAt);
    }
    const before = portion.at(-1);
    if (skipped) {
      await merge();
      [base, portion] = [record, []];
    } else {
      if (before && !plan.merges(before.at, record.at)) {
        next = Math.min(next, plan.dueAgain(before.at, record.at));
        await merge();
        [base, portion] = [portion[0] as LogRecord, []];
      }
      portion.push(record);
    }
    if (portion.length > PORTION_RECORDS || bytesOf(portion) > PORTION_BYTES) {
      await merge();
      // The merged record is merged again with what follows, which must not be in the same list.
      if (merged.length > 0 && !(await put(oldestAt))) return done;
    } else if (replaced > PORTION_RECORDS && !(await put(oldestAt))) return done;
    whole = record.position.version === head.position.version;
    if (whole) break;
    const from = plan.readFrom(record.at);
    if (from > record.at) next = Math.min(next, plan.dueAgainFrom(record.at));
    whole = from === Number.POSITIVE_INFINITY;
    if (whole) break;
  }
  await merge();
  // Where something else has changed the log meanwhile, the context stays due.
  if (oldestAt !== undefined) await put(whole ? next : oldestAt);
  return done;
}

/** The number of versions that `thin` would merge away. */
export function countThinned(store: Store, id: string, plan: ThinningPlan): Promise<number> {
  return slots.run(() => countOne(store, id, plan));
}

async function countOne(store: Store, id: string, plan: ThinningPlan): Promise<number> {
  const head = await store.head(id);
  let oldest: LogRecord | undefined;
  let before: LogRecord | undefined;
  let count = 0;
  if (!head) return count;
  for await (const { record, skipped } of recordsOf(store, id, head, plan)) {
    if (before && before !== oldest && !skipped && plan.merges(before.at, record.at)) count++;
    oldest ??= record;
    before = record;
    if (plan.readFrom(record.at) === Number.POSITIVE_INFINITY) break;
  }
  return count;
}

interface Found {
  readonly record: LogRecord;
  /** Between the record before and this one there may be others, of which none goes. */
  readonly skipped: boolean;
}

/**
 * The retained records, as far as they lead on from one another: the oldest, and all of times of which versions may go, each
 * time with the record before and the record behind.
 */
async function* recordsOf(store: Store, id: string, head: Head, plan: ThinningPlan): AsyncGenerator<Found> {
  const pace = new Pace();
  const first = await store.deltas(id, 0, 1);
  let after = first.kind === 'truncated' ? first.oldest - 1 : 0;
  let last: LogRecord | undefined;
  for (let size = FIRST_RECORDS; ; size = Math.min(4 * size, PORTION_RECORDS)) {
    const read = await store.deltas(id, after, size, PAGE_BYTES);
    if (read.kind === 'truncated' || read.records.length === 0) return;
    if (last && !leadsOn(read.records[0] as LogRecord, last.position)) return;
    await pace.spend(mergeCost(read.records));
    let skipped = last === undefined;
    for (const [i, record] of read.records.entries()) {
      yield { record, skipped };
      skipped = false;
      last = record;
      after = record.position.version;
      const from = plan.readFrom(record.at);
      if (from <= (read.records[i + 1]?.at ?? record.at)) continue;
      const before = await lastWrittenBy(store, id, after, head.position.version, from - 1);
      if (before <= after) continue;
      [after, last, size] = [before - 1, undefined, FIRST_RECORDS / 4];
      break;
    }
  }
}

/** The last of the versions from `oldest` to `newest` whose record was written at `time` or before; below `oldest` where there is none. */
export async function lastWrittenBy(
  store: Store,
  id: string,
  oldest: number,
  newest: number,
  time: number,
): Promise<number> {
  // Times do not decrease along a log, so a binary search is possible.
  let [low, high] = [oldest, newest + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const read = await store.deltas(id, middle - 1, 1);
    const record = read.kind === 'records' ? read.records[0] : undefined;
    if (record && record.at > time) high = middle;
    else low = Math.max(middle, record?.position.version ?? middle) + 1;
  }
  return low - 1;
}

/** One record for several, which lead on from `base`. It keeps of who wrote them and what caused them what they have in common. */
async function mergedRecord(id: string, base: LogRecord, records: readonly LogRecord[]): Promise<MergedRecord> {
  const views = viewsOf(id, [base, ...records]);
  const { payload } = bytesOf(records) <= SMALL_BYTES ? mergeViews(views) : await mergeInSteps(views);
  const { position, at, cause, provenance } = records.at(-1) as LogRecord;
  const common = records.every(
    ({ provenance: other }) => provenance && other && Buffer.compare(provenance, other) === 0,
  );
  const kept = common && provenance && provenance.length <= MERGED_PROVENANCE_BYTES_MAX;
  return {
    ...{ position, at, changes: payload.changes, olds: payload.olds },
    ...(cause && records.every(({ cause: other }) => other === cause) && { cause }),
    ...(kept && { provenance }),
    merged: { base: base.position, seal: advance(base.position, payload).digest },
  };
}
