/**
 * One sweep: finds due contexts by the store's indexes, and removes them in small batches, so that writes go on in
 * between. Every removal is a use case, which checks the newest state again: a context that is renewed at the last moment
 * stays, and no record is dropped that a recovery needs.
 */
import type { ContextService } from '../contexts/service.js';
import type { Due, Index, Store } from '../store/store.js';
import type { ArchiveBeforeExpiry } from './archive.js';
import { deltasIn, dueUpTo, type Plan, plan, type RetentionRules } from './policy.js';

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
  readonly contexts: Pick<ContextService, 'expire' | 'trim' | 'endMembers'>;
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

  for await (const batch of dueBatches(parts, task)) {
    const wanted = batch.filter(({ id }) => id.startsWith(prefix) && !passed.has(id));
    const turn = wanted.slice(0, room);
    const stop = turn.length > 0 && !(await goOn());
    if (stop || (room === 0 && wanted.length > 0)) return { ...counts, items, more: true };
    const done = await Promise.all(turn.map(({ id }) => treat(parts, task, id)));
    for (const [i, item] of done.entries()) {
      if (dryRun || item === 'failed') passed.add(turn[i]?.id as string);
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
): AsyncGenerator<readonly Due[]> {
  for (const [index, upTo] of Object.entries(dueUpTo(rules, now)) as [Index, number][]) {
    if (indexes && !indexes.includes(index)) continue;
    for (let page = await store.due(index, upTo, PAGE); page.length > 0; ) {
      // While exports are paused, contexts that are due for removal need not be read.
      const inVain = () => !dryRun && (index === 'expiry' || index === 'idle') && archive?.paused;
      for (let at = 0; at < page.length && !inVain(); at += BATCH) yield page.slice(at, at + BATCH);
      if (page.length < PAGE || inVain()) break;
      page = await store.due(index, upTo, PAGE, page.at(-1));
    }
  }
}

/** Checks one context and removes what is due. Undefined: nothing was due. */
async function treat(parts: SweepParts, task: CleanupTask, id: string): Promise<Item | 'failed' | undefined> {
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
      const outdated = await lastOutdated(store, id, oldest, head.position.version, now - rules.deltaTtl);
      what = plan({ head, oldest, outdated }, rules, now);
    }
    if (what.kind === 'keep') return undefined;
    if (what.kind === 'remove') {
      const idleSince = what.reason === 'idle' ? now - rules.contextTtl : undefined;
      const gone = dryRun || (await remove(parts, id, idleSince));
      return gone ? { id, reason: what.reason, deltas: before } : undefined;
    }
    const records = dryRun ? what.upTo - oldest + 1 : await contexts.trim(id, what.upTo);
    return records > 0 ? { id, reason: 'trimmed', deltas: before - deltasIn(oldest + records, head) } : undefined;
  } catch (error) {
    onError(error);
    return 'failed';
  }
}

/** Answers whether the context was removed. It stays if it was renewed, written since its export, or not exported. */
async function remove({ contexts, archive }: SweepParts, id: string, idleSince: number | undefined): Promise<boolean> {
  if (!archive) return contexts.expire(id, idleSince);
  const at = await archive.export(id);
  return at !== undefined && contexts.expire(id, idleSince, at);
}

async function oldestOf(store: Store, id: string): Promise<number> {
  const first = await store.deltas(id, 0, 1);
  return first.kind === 'truncated' ? first.oldest : 1;
}

/** The last version whose record was written at `at` or before; below `oldest` where there is none. */
async function lastOutdated(store: Store, id: string, oldest: number, version: number, at: number): Promise<number> {
  // Times do not decrease along a log, so a binary search is possible.
  let [low, high] = [oldest, version + 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    const read = await store.deltas(id, middle - 1, 1);
    const record = read.kind === 'records' ? read.records[0] : undefined;
    if (record && record.at > at) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}
