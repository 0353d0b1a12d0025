/**
 * The recent deltas of one context in memory, up to the durable version: enough for every client that may get a delta at
 * all. Deltas that are not in memory are read from the store once, and kept. What the merge of the deltas that a client
 * lacks may cost is limited by the caller: deltas over that limit are neither decoded nor merged.
 */
import { type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import { type DeltaView, deltaOf } from '../events.js';
import { SMALL_BYTES } from '../long-work.js';
import { leadsOn } from '../position.js';
import { DELTA_COST } from '../validation.js';
import { agrees } from './decision.js';
import { bytesOf, mergeCost, mergeInSteps, mergeViews } from './merge.js';

/** The merged delta; or why there is none: another history, not retained, more bytes than allowed, or not in memory. */
export type Since = DeltaView | 'diverged' | 'truncated' | 'larger' | 'not in memory';

/** What the store has about a version: its position, and the deltas since. */
interface Found {
  readonly from: Position;
  readonly since: Since;
}

/** The approximate memory of one delta beside its bytes. */
const DELTA_BYTES = 600;
/** More deltas in memory are useless: a client so far behind gets the document. */
const HISTORY_BYTES_MAX = 1 << 20;
/** Readers are at few different positions, even where there are many readers. */
const MERGED_MAX = 16;
/** Versions of readers so far behind that their deltas were read from the store. */
const FOUND_MAX = 1000;

export class LaneHistory {
  /** Contiguous; the last delta leads to the durable position. The oldest ones may be of several versions each. */
  #deltas: DeltaView[] = [];
  #deltaBytes = 0;
  /** By start version: the merged delta to the durable position, or its promise. Valid until the next push. */
  #merged = new Map<number, Since | Promise<Since>>();
  #mergedBytes = 0;
  /** Likewise for versions that are not in memory: the result of the read from the store. */
  #found = new Map<number, Promise<Found | 'truncated'>>();

  constructor(
    private readonly id: string,
    private readonly store: Store,
    /** The maximum number of deltas that are merged. */
    private readonly threshold: number,
  ) {}

  /** The approximate memory of the history, in bytes. */
  get bytes(): number {
    return this.#deltaBytes + this.#mergedBytes;
  }

  push(delta: DeltaView): void {
    this.#outdate();
    const last = this.#deltas.at(-1);
    if (last && !samePosition(last.to, delta.from)) this.clear();
    this.#deltas.push(delta);
    this.#deltaBytes += sizeOf(delta);
    // Trimmed to the threshold only at twice its length, so that a push costs O(1) on average.
    if (this.#deltas.length > 2 * this.threshold) this.#drop(this.#deltas.length - this.threshold);
    while (this.#deltaBytes > HISTORY_BYTES_MAX && this.#deltas.length > 1)
      this.#drop(Math.ceil(this.#deltas.length / 2));
  }

  /** Starts again with the result of a load: contiguous records that end at the head. */
  load(records: readonly LogRecord[]): void {
    this.clear();
    // The first record gives only the position at which the second one starts.
    for (const delta of viewsOf(this.id, records).slice(-this.threshold)) this.push(delta);
  }

  /**
   * Drops the deltas that the store has trimmed, so that no answer depends on the contents of the memory. The position at
   * which the first retained delta starts was stored in the record before it, so that delta is dropped too.
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

  /** The deltas from this version to the durable position; undefined where one is not in memory. */
  after(version: number): readonly DeltaView[] | undefined {
    const last = this.#deltas.at(-1);
    if (last && version >= last.to.version) return [];
    const index = this.#startingAt(version);
    return index < 0 ? undefined : this.#deltas.slice(index);
  }

  /** One merged delta from `known`, which is behind the durable position. */
  since(known: Position, costMax: number): Since | Promise<Since> {
    const index = this.#startingAt(known.version);
    const oldest = this.#deltas[index];
    if (!oldest) return 'not in memory';
    if (!agrees(known, oldest.from)) return 'diverged';
    if (index === this.#deltas.length - 1) return oldest;
    if (this.#deltas.length - index > this.threshold) return 'truncated';
    return this.#merged.get(known.version) ?? this.#merge(known.version, this.#deltas.slice(index), costMax);
  }

  /** The index of the delta that starts at a version; -1 where none in memory does. */
  #startingAt(version: number): number {
    const first = this.#deltas[0];
    if (!first || version < first.from.version) return -1;
    // Exact where each delta is of one version, too high otherwise.
    let index = Math.min(version - first.from.version, this.#deltas.length - 1);
    while (index > 0 && this.#deltas[index]!.from.version > version) index--;
    return this.#deltas[index]!.from.version === version ? index : -1;
  }

  /** As `since`, but reads missing deltas from the store. `head` is the durable position. */
  async fetch(known: Position, head: Position, costMax: number): Promise<Since> {
    // Many readers may be at this version, and may return.
    const found = await (this.#found.get(known.version) ?? this.#remember(known.version, head, costMax));
    if (found === 'truncated') return 'truncated';
    return agrees(known, found.from) ? found.since : 'diverged';
  }

  #remember(version: number, head: Position, costMax: number): Promise<Found | 'truncated'> {
    if (this.#found.size === FOUND_MAX || this.#mergedBytes > HISTORY_BYTES_MAX) this.#outdate();
    const all = this.#found;
    const finding = this.#find(version, head, costMax);
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

  async #find(version: number, head: Position, costMax: number): Promise<Found | 'truncated'> {
    const before = this.#deltas;
    const records = await this.#read(version, head.version, costMax);
    const from = records?.[0]?.position;
    if (!records || from?.version !== version) return 'truncated';
    if (mergeCost(records.slice(1)) > costMax || (records.length === 1 && head.version > version)) {
      return { from, since: 'larger' };
    }
    const views = viewsOf(this.id, records);
    if (views.length > this.threshold) return { from, since: 'truncated' };
    // The store may have advanced meanwhile, by a delete or by another server's writes: then the caller tries again.
    const last = views.find((view) => samePosition(view.to, head));
    if (!last) return 'truncated';
    const needed = views.slice(0, views.indexOf(last) + 1);
    // A different array means that the history was cleared, or already has the deltas.
    if (before === this.#deltas) this.#prepend(needed);
    const since = this.since(from, costMax);
    return { from, since: await (since === 'not in memory' ? merged(needed) : since) };
  }

  /**
   * The record of a version, which alone holds that version's position, and the records up to `last`: all of them; or
   * just more than the allowed cost; or only the first where the rest is known to exceed them. Undefined: not retained.
   */
  async #read(version: number, last: number, costMax: number): Promise<LogRecord[] | undefined> {
    const known = this.#deltaBytes - (DELTA_BYTES - DELTA_COST) * this.#deltas.length > costMax;
    const records: LogRecord[] = [];
    for (let after = version - 1, left = costMax; after < last && left >= 0; ) {
      // One more than are merged, which shows that they are too many.
      const most = Math.min(last - after, Math.ceil(left / DELTA_COST) + 1, this.threshold + 2 - records.length);
      const read = await this.store.deltas(this.id, after, known ? 1 : most, Math.max(1, left));
      if (read.kind === 'truncated') return undefined;
      const [next] = read.records;
      if (!next) break;
      const before = records.at(-1);
      if (before && !leadsOn(next, before.position)) return undefined;
      left -= mergeCost(records.length === 0 ? read.records.slice(1) : read.records);
      records.push(...read.records);
      after = (read.records.at(-1) as LogRecord).position.version;
      if (known || records.length > this.threshold + 1) break;
    }
    return records;
  }

  #merge(version: number, deltas: readonly DeltaView[], costMax: number): Since | Promise<Since> {
    const since = mergeCost(deltas.map(({ payload }) => payload)) > costMax ? 'larger' : merged(deltas);
    if (this.#merged.size === MERGED_MAX || this.#mergedBytes > HISTORY_BYTES_MAX) this.#outdate();
    const all = this.#merged;
    all.set(version, since);
    const keep = (made: Since): Since => {
      // Unless a delta was pushed meanwhile.
      if (all === this.#merged) this.#mergedBytes += typeof made === 'object' ? sizeOf(made) : 0;
      if (all.get(version) === since) all.set(version, made);
      return made;
    };
    if (!(since instanceof Promise)) return keep(since);
    since.then(keep, () => all.delete(version));
    return since;
  }

  /** Drops the merged deltas: they no longer lead to the durable position. */
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
 * Records as deltas. The first record only gives the position at which the second one starts, unless `creation` is set
 * and the first record is the one that created the context.
 */
export function viewsOf(id: string, records: readonly LogRecord[], creation = false): DeltaView[] {
  const views: DeltaView[] = [];
  let from: Position | undefined;
  for (const record of records) {
    const { position: to } = record;
    if (creation && to.version === 1) from = { epoch: to.epoch, version: 0, digest: '' };
    if (from) views.push(deltaOf(id, from, record));
    from = to;
  }
  return views;
}

/** Merges a list of deltas, which must not be empty; synchronous where the deltas are small. */
function merged(deltas: readonly DeltaView[]): DeltaView | Promise<DeltaView> {
  const [first] = deltas;
  if (first && deltas.length === 1) return first;
  return bytesOf(deltas.map(({ payload }) => payload)) <= SMALL_BYTES ? mergeViews(deltas) : mergeInSteps(deltas);
}

function sizeOf({ payload, provenance }: DeltaView): number {
  return DELTA_BYTES + bytesOf([payload]) + (provenance?.length ?? 0);
}
