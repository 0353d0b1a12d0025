/**
 * One sweep: finds by the store's indexes what is due, and removes it in small batches, between which writes go on.
 * Everything goes through the use cases, which look again at what is then the newest state; so what is renewed at the
 * last moment stays, and nothing is taken that a recovery needs.
 */
import type { ContextService } from '../contexts/service.js';
import type { Due, Index, Store } from '../store/store.js';
import type { ArchiveBeforeExpiry } from './archive.js';
import { deltasIn, dueUpTo, type Plan, plan, type RetentionRules } from './policy.js';

/** Contexts that are looked at together, so that their removals share a commit: one turn of the event loop ... */
const BATCH = 256;
/** ... and asked for together: on Redis, that asks every partition. */
const PAGE = 8 * BATCH;
/** The most that a result names; it counts the rest. */
const ITEMS_MAX = 1000;

export interface CleanupTask {
  readonly rules: RetentionRules;
  readonly now: number;
  readonly dryRun?: boolean;
  /** Only ids that begin with this. */
  readonly prefix?: string;
  /** At most this many contexts. */
  readonly limit?: number;
  /** Only what these indexes find. */
  readonly indexes?: readonly Index[];
  /** WriteRequest before each batch: whether to go on. */
  readonly goOn?: () => boolean | Promise<boolean>;
}

/** What happened to one context; `idle` and `expired`: it is gone, with its deltas. */
export interface Item {
  readonly id: string;
  readonly reason: 'expired' | 'idle' | 'trimmed';
  readonly deltas: number;
}

export interface Counts {
  readonly expired: number;
  readonly idle: number;
  /** Contexts that lost deltas, and nothing else. */
  readonly trimmed: number;
  /** Of all of these contexts. */
  readonly deltas: number;
  /** Contexts where it failed. */
  readonly failed: number;
}

export interface Swept extends Counts {
  /** The first 1,000. */
  readonly items: readonly Item[];
  /** More is due. */
  readonly more: boolean;
}

export const NOTHING: Counts = { expired: 0, idle: 0, trimmed: 0, deltas: 0, failed: 0 };

export interface SweepParts {
  readonly store: Store;
  readonly contexts: Pick<ContextService, 'expire' | 'trim'>;
  /** Exports what is to be removed. Absent: it is removed as it is. */
  readonly archive?: ArchiveBeforeExpiry | undefined;
  /** Hears why a context could not be swept. The sweep goes on. */
  readonly onError: (error: unknown) => void;
}

export async function sweep(parts: SweepParts, task: CleanupTask): Promise<Swept> {
  const { prefix = '', limit = Number.POSITIVE_INFINITY, dryRun = false, goOn = () => true } = task;
  const counts = { ...NOTHING };
  const items: Item[] = [];
  // What is still there after its turn is found by other indexes again.
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
      // While nothing can be exported, those that are due to go would only be looked at in vain.
      const inVain = () => !dryRun && (index === 'expiry' || index === 'idle') && archive?.paused;
      for (let at = 0; at < page.length && !inVain(); at += BATCH) yield page.slice(at, at + BATCH);
      if (page.length < PAGE || inVain()) break;
      page = await store.due(index, upTo, PAGE, page.at(-1));
    }
  }
}

/** Looks at one context and does what is due. Undefined: nothing was. */
async function treat(parts: SweepParts, task: CleanupTask, id: string): Promise<Item | 'failed' | undefined> {
  const { store, contexts, onError } = parts;
  const { rules, now, dryRun } = task;
  try {
    const head = await store.head(id);
    if (!head) return undefined;
    const oldest = await oldestOf(store, id);
    const before = deltasIn(oldest, head);
    // What is to go needs no look at how old its records are.
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

/** Answers whether it did: not what was renewed, written to since its export, or could not be exported. */
async function remove({ contexts, archive }: SweepParts, id: string, idleSince: number | undefined): Promise<boolean> {
  if (!archive) return contexts.expire(id, idleSince);
  const at = await archive.export(id);
  return at !== undefined && contexts.expire(id, idleSince, at);
}

async function oldestOf(store: Store, id: string): Promise<number> {
  const first = await store.deltas(id, 0, 1);
  return first.kind === 'truncated' ? first.oldest : 1;
}

/** The last version whose record is from `at` or before; below `oldest` where there is none. */
async function lastOutdated(store: Store, id: string, oldest: number, version: number, at: number): Promise<number> {
  // Times do not decrease along a log: a binary search finds it.
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
