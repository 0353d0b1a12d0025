/**
 * The recent deltas of one context in memory, up to the durable version: enough for every client that may get
 * a delta at all. What is not in memory is read from the store once, and kept. Of the deltas that a client lacks no more
 * bytes are read and merged than the caller allows: whether they are too many is found out before any is decoded.
 */
import { type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import type { DeltaView } from '../events.js';
import { SMALL_BYTES } from '../long-work.js';
import { agrees } from './decision.js';
import { bytesOf, mergeInSteps, mergeViews } from './merge.js';

/** The merged delta; or why there is none: another history, no longer kept, more bytes than allowed, or not in memory. */
export type Since = DeltaView | 'diverged' | 'truncated' | 'larger' | 'not in memory';

/** What is known of a version: which position it was, and what came since. */
interface Found {
  readonly from: Position;
  readonly since: Since;
}

/** What one delta takes beside its bytes, about. */
const DELTA_BYTES = 600;
/** More than this in memory helps nobody: a client so far behind gets the document. */
const HISTORY_BYTES_MAX = 1 << 20;
/** Readers stand at few places, even if they are many. */
const MERGED_MAX = 16;
/** Places of readers that are so far behind that the store had to be asked. */
const FOUND_MAX = 1000;

export class LaneHistory {
  /** Contiguous; the last one leads to the durable position. */
  #deltas: DeltaView[] = [];
  #deltaBytes = 0;
  /** By version that they start from: what leads to the durable position, or will. Valid until the next push. */
  #merged = new Map<number, Since | Promise<Since>>();
  #mergedBytes = 0;
  /** Likewise, of what is not in memory: what the store had. */
  #found = new Map<number, Promise<Found | 'truncated'>>();

  constructor(
    private readonly id: string,
    private readonly store: Store,
    /** The most versions that are ever merged. */
    private readonly threshold: number,
  ) {}

  /** Memory it takes, about. */
  get bytes(): number {
    return this.#deltaBytes + this.#mergedBytes;
  }

  push(delta: DeltaView): void {
    this.#outdate();
    const last = this.#deltas.at(-1);
    if (last && !samePosition(last.to, delta.from)) this.clear();
    this.#deltas.push(delta);
    this.#deltaBytes += sizeOf(delta);
    // Cut to the threshold only at twice its length, so that a push costs O(1) on average.
    if (this.#deltas.length > 2 * this.threshold) this.#drop(this.#deltas.length - this.threshold);
    while (this.#deltaBytes > HISTORY_BYTES_MAX && this.#deltas.length > 1)
      this.#drop(Math.ceil(this.#deltas.length / 2));
  }

  /** Begins anew with what a load brought: contiguous records that end at the head. */
  load(records: readonly LogRecord[]): void {
    this.clear();
    // Where the first record starts from, only the record before it knows.
    for (const delta of viewsOf(this.id, records).slice(-this.threshold)) this.push(delta);
  }

  /**
   * Forgets what the store has forgotten, so that no answer depends on what happens to be in memory. Where the first
   * delta that is retained began, only the one before it knew.
   */
  trim(upTo: number): void {
    const kept = this.#deltas.findIndex((delta) => delta.from.version > upTo);
    this.#outdate();
    this.#drop(kept === -1 ? this.#deltas.length : kept);
  }

  clear(): void {
    this.#deltas = [];
    this.#deltaBytes = 0;
    this.#outdate();
  }

  /** The one merged delta from `known`, which is behind the durable position by at most the threshold. */
  since(known: Position, bytesMax: number): Since | Promise<Since> {
    const first = this.#deltas[0];
    const index = first ? known.version - first.from.version : -1;
    const oldest = this.#deltas[index];
    if (index < 0 || !oldest) return 'not in memory';
    if (!agrees(known, oldest.from)) return 'diverged';
    if (index === this.#deltas.length - 1) return oldest;
    return this.#merged.get(known.version) ?? this.#merge(known.version, this.#deltas.slice(index), bytesMax);
  }

  /** As `since`, reading from the store what is not in memory. `head` is the durable position. */
  async fetch(known: Position, head: Position, bytesMax: number): Promise<Since> {
    // Many may stand where this one does, and come back.
    const found = await (this.#found.get(known.version) ?? this.#remember(known.version, head, bytesMax));
    if (found === 'truncated') return 'truncated';
    return agrees(known, found.from) ? found.since : 'diverged';
  }

  #remember(version: number, head: Position, bytesMax: number): Promise<Found | 'truncated'> {
    if (this.#found.size === FOUND_MAX || this.#mergedBytes > HISTORY_BYTES_MAX) this.#outdate();
    const all = this.#found;
    const finding = this.#find(version, head, bytesMax);
    all.set(version, finding);
    finding.then(
      (found) => {
        if (found === 'truncated') all.delete(version);
        else if (all === this.#found && typeof found.since === 'object') this.#mergedBytes += sizeOf(found.since);
      },
      () => all.delete(version),
    );
    return finding;
  }

  async #find(version: number, head: Position, bytesMax: number): Promise<Found | 'truncated'> {
    const before = this.#deltas;
    const records = await this.#read(version, head.version, bytesMax);
    const from = records?.[0]?.position;
    if (!records || from?.version !== version) return 'truncated';
    if (bytesOf(records.slice(1)) > bytesMax || (records.length === 1 && head.version > version)) {
      return { from, since: 'larger' };
    }
    const views = viewsOf(this.id, records);
    // The store may have moved on meanwhile, by a delete or another server's writes: then the caller looks again.
    const last = views.find((view) => samePosition(view.to, head));
    if (!last) return 'truncated';
    const needed = views.slice(0, views.indexOf(last) + 1);
    // Another array: the history was cleared, or has them already.
    if (before === this.#deltas) this.#prepend(needed);
    const since = this.since(from, bytesMax);
    return { from, since: await (since === 'not in memory' ? merged(needed) : since) };
  }

  /**
   * The record of a version, which alone says what its position was, and those after it up to `last`: all, or so many
   * that they have more bytes than allowed, or only the first where that is known of the others. Undefined: they are gone.
   */
  async #read(version: number, last: number, bytesMax: number): Promise<LogRecord[] | undefined> {
    const known = this.#deltaBytes - DELTA_BYTES * this.#deltas.length > bytesMax;
    const records: LogRecord[] = [];
    for (let after = version - 1, left = bytesMax; after < last && left >= 0; ) {
      const read = await this.store.deltas(this.id, after, known ? 1 : last - after, Math.max(1, left));
      if (read.kind === 'truncated') return undefined;
      if (read.records.length === 0) break;
      left -= bytesOf(records.length === 0 ? read.records.slice(1) : read.records);
      records.push(...read.records);
      after = version - 1 + records.length;
      if (known) break;
    }
    return records;
  }

  #merge(version: number, deltas: readonly DeltaView[], bytesMax: number): Since | Promise<Since> {
    const since = bytesOf(deltas.map(({ payload }) => payload)) > bytesMax ? 'larger' : merged(deltas);
    if (this.#merged.size === MERGED_MAX || this.#mergedBytes > HISTORY_BYTES_MAX) this.#outdate();
    const all = this.#merged;
    all.set(version, since);
    const keep = (made: Since): Since => {
      // Unless something was pushed meanwhile.
      if (all === this.#merged) this.#mergedBytes += typeof made === 'object' ? sizeOf(made) : 0;
      if (all.get(version) === since) all.set(version, made);
      return made;
    };
    if (!(since instanceof Promise)) return keep(since);
    since.then(keep, () => all.delete(version));
    return since;
  }

  /** What led to the durable position leads no longer there. */
  #outdate(): void {
    if (this.#merged.size > 0) this.#merged = new Map();
    if (this.#found.size > 0) this.#found = new Map();
    this.#mergedBytes = 0;
  }

  #prepend(views: readonly DeltaView[]): void {
    const first = this.#deltas[0];
    const missing = first ? views.filter((view) => view.to.version <= first.from.version) : views;
    const last = missing.at(-1);
    if (!last || (first && !samePosition(last.to, first.from))) return;
    const bytes = missing.reduce((sum, view) => sum + sizeOf(view), 0);
    if (this.#deltaBytes + bytes > HISTORY_BYTES_MAX) return;
    this.#deltas = [...missing, ...this.#deltas];
    this.#deltaBytes += bytes;
  }

  #drop(count: number): void {
    for (const delta of this.#deltas.splice(0, count)) this.#deltaBytes -= sizeOf(delta);
  }
}

/**
 * Records as deltas. The first record only gives the position that the second one starts from; unless it is the
 * one that created the context and `creation` is asked for.
 */
export function viewsOf(id: string, records: readonly LogRecord[], creation = false): DeltaView[] {
  const views: DeltaView[] = [];
  let from: Position | undefined;
  for (const record of records) {
    const { position: to, at } = record;
    if (creation && to.version === 1) from = { epoch: to.epoch, version: 0, digest: '' };
    if (from) views.push({ id, from, to, payload: record, at });
    from = to;
  }
  return views;
}

/** At once where they are small; they are not empty. */
function merged(deltas: readonly DeltaView[]): DeltaView | Promise<DeltaView> {
  const [first] = deltas;
  if (first && deltas.length === 1) return first;
  return bytesOf(deltas.map(({ payload }) => payload)) <= SMALL_BYTES ? mergeViews(deltas) : mergeInSteps(deltas);
}

function sizeOf({ payload }: DeltaView): number {
  return DELTA_BYTES + bytesOf([payload]);
}
