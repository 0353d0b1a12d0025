/**
 * Whether the paths that a write guards are as they were at an earlier position. The changes since decide it, by their
 * paths alone; most are in memory. Where they are not, the evaluation of the write stops with `MissingRecords`, the records
 * are read from the store, and the write is evaluated again.
 *
 *   write --> evaluated on the tip: from what was read, or else from `since`, through the deltas in memory
 *               | a delta is not in memory
 *               +--> read: the records from there to the durable state, page by page --> evaluated again
 */
import { eachTouch, type Touch } from '../../codec/touched.js';
import { codePoints } from '../../delta/text.js';
import type { Changes, Path } from '../../delta/types.js';
import type { SinceReason } from '../../model/conditions.js';
import { ChordError } from '../../model/errors.js';
import { type Payload, type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import type { TipView } from '../lane/state.js';
import { agrees, decide } from '../sync/decision.js';
import { bytesOf } from '../sync/merge.js';
import { PAGE_BYTES } from '../validation.js';
import type { Edit } from './mutations.js';
import { SplicePlace, type TouchedPath, TouchTree } from './touch-tree.js';

/** Versions and bytes (changes and old values) between `since` and the tip; more counts as not retained. */
const VERSIONS_MAX = 10_000;
const BYTES_MAX = 16 << 20;
const PAGE_RECORDS = 1000;
/** How often a write is evaluated and misses records, before it is given up. */
const ATTEMPTS_MAX = 100;
/** Conditions that a refusal names. */
const NAMED_MAX = 100;

/** Thrown by an evaluation: records that the guard needs must be read from the store. */
export class MissingRecords extends Error {
  constructor(readonly guard: Guard) {
    super('records are not in memory');
  }
}

export class Guard {
  readonly #tree: TouchTree;
  /** By the index of its mutation. */
  readonly #places: readonly (SplicePlace | undefined)[];
  /** The position up to which records were read; undefined: none. */
  #readTo: Position | undefined;
  /** The bytes of these records. */
  #bytesRead = 0;
  /** The version up to which the last evaluation missed records. */
  #missedTo = 0;
  /** Found while reading: the records do not lead on from `since`. */
  #lost: SinceReason | undefined;
  readonly #unread: () => void;
  /** Takes back what an evaluation notes beyond the records read: the tip need not become durable. */
  #takeBack: () => void;

  constructor(
    readonly since: Position,
    paths: readonly Path[],
    edit?: Edit,
  ) {
    const mutations = edit?.kind === 'update' ? edit.mutations : [];
    this.#places = mutations.map((mutation) => {
      return mutation.kind === 'splice' || mutation.kind === 'splice_text'
        ? new SplicePlace(mutation.path, mutation.index, mutation.removeCount)
        : undefined;
    });
    this.#tree = new TouchTree(
      paths,
      this.#places.filter((place) => place !== undefined),
    );
    this.#unread = this.#takeBack = this.#tree.mark();
  }

  /** What does not hold on the tip; undefined where all holds. Throws MissingRecords. */
  check(view: TipView): SinceReason | readonly TouchedPath[] | undefined {
    const { tip } = view;
    if (!tip) return 'epoch_changed';
    const decision = decide(this.since, tip.position, VERSIONS_MAX);
    if (decision.kind === 'full') return decision.reason as SinceReason;
    if (this.#lost) return this.#lost;
    this.#takeBack();
    const lost = decision.kind === 'behind' ? this.#follow(view, tip.position) : undefined;
    if (lost) return lost;
    const touched = this.#tree.touched(NAMED_MAX);
    return touched.length > 0 ? touched : undefined;
  }

  /**
   * Where the splice of this mutation lies in the document now. Undefined: the edit itself has replaced the list or the
   * elements. The edit's own changes count from the moment they are noted.
   */
  placeOf(mutation: number): { readonly index: number } | undefined {
    const place = this.#places[mutation];
    return place && !this.#tree.lost(place) ? place : undefined;
  }

  /** Notes changes of the edit itself. */
  noteOwn(changes: Changes): void {
    if (this.#places.length === 0) return;
    for (const change of changes) this.#tree.note(touchOf(change), Number.MAX_SAFE_INTEGER);
  }

  /** Reads the records that the last evaluation missed, as far as the store has them. */
  async read(store: Store, id: string): Promise<void> {
    this.#takeBack();
    for (let more = true; more && !this.#lost; ) {
      const after = this.#readTo?.version ?? this.since.version - 1;
      const count = Math.min(PAGE_RECORDS, this.#missedTo - after);
      const page = count > 0 ? await store.deltas(id, after, count, PAGE_BYTES) : undefined;
      if (page?.kind === 'truncated') this.#lost = 'history_truncated';
      else
        more = page !== undefined && page.records.length > 0 && page.records.every((record) => this.#readOne(record));
    }
    this.#takeBack = this.#tree.mark();
  }

  /** Answers whether the record leads on. */
  #readOne(record: LogRecord): boolean {
    const { since } = this;
    const { position } = record;
    const from = this.#readTo;
    if (!from) {
      if (since.epoch !== '' && position.epoch !== since.epoch) return false; // the next evaluation finds it
      if (position.version !== since.version) this.#lost = 'history_truncated';
      else if (!agrees(since, position)) this.#lost = 'diverged';
    } else if (record.merged && samePosition(record.merged.base, from)) {
      this.#lost = 'history_truncated'; // what was changed and taken back is lost in it
    } else if (position.epoch !== from.epoch || position.version !== from.version + 1) {
      this.#startAgain();
      return false;
    } else {
      this.#bytesRead += bytesOf([record]);
      if (!this.#note(position.version, record, this.#bytesRead)) this.#lost = 'history_truncated';
    }
    this.#readTo = position;
    return !this.#lost;
  }

  /** Notes the deltas in memory. Answers why they do not lead on from `since`, where they do not. */
  #follow(view: TipView, tip: Position): SinceReason | undefined {
    const start = this.#readTo ?? this.since;
    const deltas = start.version < tip.version ? view.deltasSince(start.version) : [];
    if (!deltas) throw this.#missing(tip);
    if (!agrees(start, deltas[0]?.from ?? tip)) {
      if (!this.#readTo) return 'diverged';
      // Other servers wrote what was read, and the tip does not become durable; or the store has lost writes.
      this.#startAgain();
      throw this.#missing(tip);
    }
    let bytes = this.#bytesRead;
    for (const { from, to, payload } of deltas) {
      if (to.version !== from.version + 1) return 'history_truncated'; // merged, as in `#readOne`
      bytes += bytesOf([payload]);
      if (!this.#note(to.version, payload, bytes)) return 'history_truncated';
    }
    return undefined;
  }

  /** False: the history has become too long. */
  #note(version: number, { changes }: Payload, bytes: number): boolean {
    if (bytes > BYTES_MAX) return false;
    eachTouch(changes, (touch) => this.#tree.note(touch, version));
    return !this.#tree.exhausted;
  }

  #missing(tip: Position): MissingRecords {
    this.#missedTo = tip.version;
    return new MissingRecords(this);
  }

  #startAgain(): void {
    this.#unread();
    this.#takeBack = this.#unread;
    this.#readTo = undefined;
    this.#bytesRead = 0;
  }
}

/** Runs a write again, after reading what its evaluation missed. */
export async function withRecords<T>(store: Store, id: (guard: Guard) => string, run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      const { guard } = error;
      if (attempt === ATTEMPTS_MAX) throw changesTooFast(id(guard));
      await guard.read(store, id(guard));
    }
  }
}

function changesTooFast(contextId: string): ChordError {
  const message = `${JSON.stringify(contextId)} changed too fast to compare it with an earlier position; try again`;
  return new ChordError('UNAVAILABLE', message, { contextId, retryAfter: 100 });
}

function touchOf(change: Changes[number]): Touch {
  if (change.action !== 'spliced' && change.action !== 'text_spliced') return change;
  const { path, index, removedCount: removed, inserted } = change;
  const count = typeof inserted === 'string' ? codePoints(inserted) : inserted.length;
  return { path, span: { index, removed, inserted: count } };
}
