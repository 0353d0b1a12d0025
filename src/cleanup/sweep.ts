/**
 * One sweep: finds due contexts by the store's indexes, and removes them in small batches, so that writes go on in
 * between. Every removal is a use case, which checks the newest state again: a context that is renewed at the last moment
 * stays, and no record is dropped that a recovery needs.
 */
import type { ContextService } from '../contexts/service.js';
import { lastWrittenBy } from '../contexts/thin.js';
import { PAGE_BYTES } from '../contexts/validation.js';
import type { Due, Index, Store } from '../store/store.js';
import type { ArchiveBeforeExpiry } from './archive.js';
import { deltaReach, deltasIn, dueUpTo, isTiered, type Plan, plan, type RetentionRules } from './policy.js';
import { thinningPlan } from './tiers.js';

/** Contexts that are handled together, so that their removals share a commit: one turn of the event loop ... */
const BATCH = 256;
/** ... and contexts that are read together from an index: on Redis such a read goes to every partition. */
const PAGE = 8 * BATCH;
/** The maximum number of items in a result, which counts the rest. */
const ITEMS_MAX = 1000;

export interface CleanupTask {
  readonly rules: RetentionRules;
  readonly now: number;
  readonly dryRun?: boolean;
  /** Only ids that begin with this prefix. */
  readonly prefix?: string;
  /** At most this many contexts. */
  readonly limit?: number;
  /** Only contexts that these indexes find. */
  readonly indexes?: readonly Index[];
  /** Of contexts that are due all deltas are looked at, also those that earlier sweeps have left: by other tiers, perhaps. */
  readonly thorough?: boolean;
  /** Called before each batch: whether to go on. */
  readonly goOn?: () => boolean | Promise<boolean>;
}

/** What happened to one context; `idle` and `expired`: the context was removed, with its deltas. */
export interface Item {
  readonly id: string;
  readonly reason: 'expired' | 'idle' | 'trimmed';
  readonly deltas: number;
}

export interface Counts {
  readonly expired: number;
  readonly idle: number;
  /** Contexts of which only deltas were dropped. */
  readonly trimmed: number;
  /** Dropped deltas of all these contexts. */
  readonly deltas: number;
  /** Contexts whose cleanup failed. */
  readonly failed: number;
}

export interface Swept extends Counts {
  /** The first 1,000 items. */
  readonly items: readonly Item[];
  /** More contexts are due. */
  readonly more: boolean;
}

export const NOTHING: Counts = { expired: 0, idle: 0, trimmed: 0, deltas: 0, failed: 0 };

export interface SweepParts {
  readonly store: Store;
  readonly contexts: Pick<ContextService, 'expire' | 'trim' | 'thin' | 'endMembers'>;
  /** Exports contexts before removal. Absent: they are removed without export. */
  readonly archive?: ArchiveBeforeExpiry | undefined;
  /** Receives the error of a context that could not be swept. The sweep goes on. */
  readonly onError: (error: unknown) => void;
}

export async function sweep(parts: SweepParts, task: CleanupTask): Promise<Swept> {
  const { prefix = '', limit = Number.POSITIVE_INFINITY, dryRun = false, goOn = () => true } = task;
  const counts = { ...NOTHING };
  const items: Item[] = [];
  // A context that stays may be found again by the other indexes.
  const passed = new Set<string>();
  let room = limit;

  for await (const { index, batch } of dueBatches(parts, task)) {
    const wanted = batch.filter(({ id }) => id.startsWith(prefix) && !passed.has(id));
    const turn = wanted.slice(0, room);
    const stop = turn.length > 0 && !(await goOn());
    if (stop || (room === 0 && wanted.length > 0)) return { ...counts, items, more: true };
    const done = await Promise.all(turn.map((due) => treat(parts, task, index, due)));
    for (const [i, item] of done.entries()) {
      if ((dryRun && item) || item === 'failed') passed.add(turn[i]?.id as string);
      if (item === 'failed') counts.failed++;
      else if (item) {
        counts[item.reason]++;
        counts.deltas += item.deltas;
        if (items.length < ITEMS_MAX) items.push(item);
      }
    }
    room -= done.filter((item) => item !== undefined).length;
    if (room === 0 && wanted.length > turn.length) return { ...counts, items, more: true };
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { ...counts, items, more: !dryRun && (parts.archive?.paused ?? false) };
}

async function* dueBatches(
  { store, archive }: SweepParts,
  { rules, now, indexes, dryRun }: CleanupTask,
): AsyncGenerator<{ readonly index: Index; readonly batch: readonly Due[] }> {
  for (const [index, upTo] of Object.entries(dueUpTo(rules, now)) as [Index, number][]) {
    if (indexes && !indexes.includes(index)) continue;
    for (let page = await store.due(index, upTo, PAGE); page.length > 0; ) {
      // While exports are paused, contexts that are due for removal need not be read.
      const inVain = () => !dryRun && (index === 'expiry' || index === 'idle') && archive?.paused;
      for (let at = 0; at < page.length && !inVain(); at += BATCH) yield { index, batch: page.slice(at, at + BATCH) };
      if (page.length < PAGE || inVain()) break;
      page = await store.due(index, upTo, PAGE, page.at(-1));
    }
  }
}

/** Checks one context and removes what is due. Undefined: nothing was due. */
async function treat(
  parts: SweepParts,
  task: CleanupTask,
  index: Index,
  { id, key }: Due,
): Promise<Item | 'failed' | undefined> {
  const { store, contexts, onError } = parts;
  const { rules, now, dryRun } = task;
  try {
    const head = await store.head(id);
    if (!head) return undefined;
    const oldest = await oldestOf(store, id);
    const before = deltasIn(oldest, head);
    // A context that is due for removal needs no search for old records.
    let what: Plan = plan({ head, oldest, outdated: 0 }, rules, now);
    if (what.kind !== 'remove') {
      const outdated = await lastWrittenBy(store, id, oldest, head.position.version, now - deltaReach(rules));
      what = plan({ head, oldest, outdated }, rules, now);
    }
    if (what.kind !== 'remove' && isTiered(rules))
      return index === 'age' ? await thin(parts, task, id, key, what) : undefined;
    if (what.kind === 'keep') return undefined;
    if (what.kind === 'remove') {
      const idleSince = what.reason === 'idle' ? now - rules.contextTtl : undefined;
      const gone = dryRun || (await remove(parts, id, idleSince));
      return gone ? { id, reason: what.reason, deltas: before } : undefined;
    }
    const records = dryRun ? await countUpTo(store, id, oldest, what.upTo) : await contexts.trim(id, what.upTo);
    // A delta needs the position before it: the first record that stays is none any more, as the first one that goes was none.
    const deltas = records + (oldest === 1 ? 1 : 0) - (what.upTo < head.position.version ? 0 : 1);
    return records > 0 ? { id, reason: 'trimmed', deltas } : undefined;
  } catch (error) {
    onError(error);
    return 'failed';
  }
}

/** Drops what is beyond all tiers, and merges what they do not keep. */
async function thin(
  { contexts }: SweepParts,
  task: CleanupTask,
  id: string,
  key: number,
  what: Plan,
): Promise<Item | undefined> {
  const { rules, now, dryRun = false, thorough } = task;
  // Oldest first: of what is dropped nothing is merged. A dry run counts as merged what would be dropped.
  const dropped = what.kind === 'trim' && !dryRun ? await contexts.trim(id, what.upTo) : 0;
  const merged = await contexts.thin(
    id,
    thinningPlan(rules.deltaRetention ?? [], now, thorough ? undefined : key),
    dryRun,
  );
  return dropped + merged > 0 ? { id, reason: 'trimmed', deltas: dropped + merged } : undefined;
}

/** Answers whether the context was removed. It stays if it was renewed, written since its export, or not exported. */
async function remove({ contexts, archive }: SweepParts, id: string, idleSince: number | undefined): Promise<boolean> {
  if (!archive) return contexts.expire(id, idleSince);
  const at = await archive.export(id);
  return at !== undefined && contexts.expire(id, idleSince, at);
}

/** The number of records up to a version, which may be fewer than versions. */
async function countUpTo(store: Store, id: string, oldest: number, upTo: number): Promise<number> {
  let count = 0;
  for (let after = oldest - 1; after < upTo; ) {
    const read = await store.deltas(id, after, PAGE, PAGE_BYTES);
    const records = read.kind === 'records' ? read.records : [];
    const last = records.at(-1);
    if (!last) break;
    count += records.filter(({ position }) => position.version <= upTo).length;
    after = last.position.version;
  }
  return count;
}

async function oldestOf(store: Store, id: string): Promise<number> {
  const first = await store.deltas(id, 0, 1);
  return first.kind === 'truncated' ? first.oldest : 1;
}
