/**
 * The recent deltas of one context in memory, up to the durable version: enough for every client that may get
 * a delta at all. What is not in memory is read from the store once, and kept.
 */
import { decodeChanges, encodeChanges } from '../codec/changes.js';
import { merge } from '../delta/index.js';
import { type Position, samePosition } from '../model.js';
import type { LogRecord, Store } from '../store/store.js';
import type { DeltaView } from './events.js';
import { agrees } from './sync.js';

/** The merged delta; or why there is none: another history, no longer kept, or not in memory. */
export type Since = DeltaView | 'diverged' | 'truncated' | 'not in memory';

/** What one delta takes beside its bytes, about. */
const DELTA_BYTES = 600;
/** More than this in memory helps nobody: a client so far behind gets the document. */
const HISTORY_BYTES_MAX = 1 << 20;
/** Readers stand at few places, even if they are many. */
const MERGED_MAX = 16;

export class History {
  bytes = 0;
  /** Contiguous; the last one leads to the durable position. */
  #deltas: DeltaView[] = [];
  /** By version that they start from: some merged deltas to the durable position. Valid until the next push. */
  #merged: Map<number, DeltaView> | undefined;

  constructor(
    private readonly id: string,
    private readonly store: Store,
    /** The most versions that are ever merged. */
    private readonly threshold: number,
  ) {}

  push(delta: DeltaView): void {
    this.#merged = undefined;
    const last = this.#deltas.at(-1);
    if (last && !samePosition(last.to, delta.from)) this.clear();
    this.#deltas.push(delta);
    this.bytes += bytesOf(delta);
    // Cut to the threshold only at twice its length, so that a push costs O(1) on average.
    if (this.#deltas.length > 2 * this.threshold) this.#drop(this.#deltas.length - this.threshold);
    while (this.bytes > HISTORY_BYTES_MAX && this.#deltas.length > 1) this.#drop(Math.ceil(this.#deltas.length / 2));
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
    this.#merged = undefined;
    this.#drop(kept === -1 ? this.#deltas.length : kept);
  }

  clear(): void {
    this.#deltas = [];
    this.#merged = undefined;
    this.bytes = 0;
  }

  /** The one merged delta from `known`, which is behind `head` by at most the threshold. */
  since(known: Position): Since {
    const first = this.#deltas[0];
    const index = first ? known.version - first.from.version : -1;
    const oldest = this.#deltas[index];
    if (index < 0 || !oldest) return 'not in memory';
    if (!agrees(known, oldest.from)) return 'diverged';
    if (index === this.#deltas.length - 1) return oldest;
    let merged = this.#merged?.get(known.version);
    if (!merged) {
      merged = mergeViews(this.#deltas.slice(index));
      if (!this.#merged || this.#merged.size === MERGED_MAX) this.#merged = new Map();
      this.#merged.set(known.version, merged);
    }
    return merged;
  }

  /** As `since`, reading from the store what is not in memory. `head` is the durable position. */
  async fetch(known: Position, head: Position): Promise<Since> {
    const before = this.#deltas;
    // One record more than needed: it alone says which position `known.version` really was.
    const read = await this.store.deltas(this.id, known.version - 1, head.version - known.version + 1);
    if (read.kind === 'truncated') return 'truncated';
    const views = viewsOf(this.id, read.records);
    const first = views[0];
    // The store may have moved on meanwhile, by a delete or another server's writes: then the caller looks again.
    const last = views.find((view) => samePosition(view.to, head));
    if (!first || !last || first.from.version !== known.version) return 'truncated';
    if (!agrees(known, first.from)) return 'diverged';
    const needed = views.slice(0, views.indexOf(last) + 1);
    // Another array: the history was cleared, or has them already.
    if (before === this.#deltas) this.#prepend(needed);
    return needed.length === 1 ? first : mergeViews(needed);
  }

  #prepend(views: readonly DeltaView[]): void {
    const first = this.#deltas[0];
    const missing = first ? views.filter((view) => view.to.version <= first.from.version) : views;
    const last = missing.at(-1);
    if (!last || (first && !samePosition(last.to, first.from))) return;
    const bytes = missing.reduce((sum, view) => sum + bytesOf(view), 0);
    if (this.bytes + bytes > HISTORY_BYTES_MAX) return;
    this.#deltas = [...missing, ...this.#deltas];
    this.bytes += bytes;
  }

  #drop(count: number): void {
    for (const delta of this.#deltas.splice(0, count)) this.bytes -= bytesOf(delta);
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

function mergeViews(views: readonly DeltaView[]): DeltaView {
  const first = views[0] as DeltaView;
  const last = views.at(-1) as DeltaView;
  const changes = merge(views.map(({ payload }) => decodeChanges(payload.changes, payload.olds)));
  return { id: first.id, from: first.from, to: last.to, payload: encodeChanges(changes), at: last.at };
}

function bytesOf({ payload }: DeltaView): number {
  return DELTA_BYTES + payload.changes.length + payload.olds.length;
}
