/**
 * The state of a lane's context: the durable state, which readers and watchers see, and the tip, which is ahead of the
 * durable state by the writes in flight. Writes of this server, deltas of other servers and loads move both.
 */
import { decodeChanges } from '../../codec/changes.js';
import type { EncodedStruct } from '../../codec/struct.js';
import { weightChange } from '../../delta/index.js';
import { type Head, type JsonObject, type Payload, type Position, samePosition, sameUse } from '../../model/model.js';
import type { Commit, History, Removal, Store } from '../../store/store.js';
import { type ContextEvent, type DeltaView, deltaOf, isLarge, type View } from '../events.js';
import { SMALL_BYTES } from '../long-work.js';
import { advance } from '../position.js';
import { LaneHistory } from '../sync/history.js';
import { bytesOf, mergeCost } from '../sync/merge.js';
import { mergeCostMax, PAGE_BYTES } from '../validation.js';
import { ENCODED, type Form, LaneDocument } from './document.js';
import { type MemberStep, Members } from './members.js';

/** Records that are read together with the head after a conflict: other servers' writes of one turn. */
const CONFLICT_RECORDS = 500;

/** Of all contexts in which no member expires. */
const NONE = new Members();

/** The effect of a use case on the tip. */
export interface Effect<T> {
  /** The commit to store. Absent: nothing is stored, and the answer waits only for the commits in flight. */
  readonly commit?: Commit;
  readonly removal?: Removal;
  /** The tip after the use case. */
  readonly head: Head | null;
  /** The changes made to the document in place. */
  readonly delta?: DeltaView;
  /** The change of the document's memory, in bytes. */
  readonly heap?: number;
  /** The change of the members that expire. */
  readonly members?: MemberStep;
  readonly answer: T;
}

/** A use case's view of a context: the newest state, which is ahead of the durable one by the writes in flight. */
export interface TipView {
  readonly id: string;
  /** Null: the context does not exist. */
  readonly tip: Head | null;
  /** The document; {} where the context does not exist. A use case that changes it in place must return the delta. */
  document(): JsonObject;
  /** The document, encoded at most once. */
  encoded(): EncodedStruct;
  /** The deltas from this version to the tip, in order; undefined where one is not in memory. */
  deltasSince(version: number): readonly DeltaView[] | undefined;
  /** Whether a write with this payload should store a snapshot as well; without a payload, whether an earlier one should have. */
  snapshotDue(payload: Payload | undefined, weight: number): boolean;
  /** The members that expire. A use case does not change them: it returns the change. */
  readonly members: Members;
}

export class LaneState implements TipView {
  durable: Head | null = null;
  tip: Head | null = null;
  readonly content = new LaneDocument();
  readonly history: LaneHistory;
  members = NONE;
  /** The durable context with its document: the same object until the next commit. */
  #view: View | undefined;
  /** The position that the first load found: how the context came to it was published by no call of this lane. */
  #began: Position | null | undefined;

  constructor(
    readonly id: string,
    private readonly store: Store,
    private readonly publish: (event: ContextEvent) => void,
    threshold: number,
    /** The writes between the durable state and the tip, in order. */
    private readonly inFlight: readonly { readonly effect: Effect<unknown> | undefined }[],
  ) {
    this.history = new LaneHistory(id, store, threshold);
  }

  /** The approximate memory of the state, in bytes. */
  get bytes(): number {
    return this.history.bytes + this.content.bytes + this.members.bytes;
  }

  /** Whether all state is loaded that writes are evaluated on. */
  get whole(): boolean {
    return this.durable === null || this.content.known;
  }

  document(): JsonObject {
    return this.content.value();
  }

  encoded(): EncodedStruct {
    return this.content.encoded();
  }

  deltasSince(version: number): readonly DeltaView[] | undefined {
    const ahead: DeltaView[] = [];
    for (const { effect } of this.inFlight) {
      if (effect?.delta && effect.delta.from.version >= version) ahead.push(effect.delta);
    }
    if (ahead[0]?.from.version === version) return ahead;
    const durable = this.history.after(version);
    return durable && [...durable, ...ahead];
  }

  snapshotDue(payload: Payload | undefined, weight: number): boolean {
    return this.content.snapshotDue(payload, weight);
  }

  /** The durable context with its document. Only valid while the tip is the durable state. */
  view<T>(form: Form<T>): View<T> | null {
    if (!this.durable) return null;
    if (this.#view && (form as unknown) === ENCODED) return this.#view as View<T>;
    const view = { id: this.id, head: this.durable, value: form.of(this.content) };
    if ((form as unknown) === ENCODED) this.#view = view as View<unknown> as View;
    return view;
  }

  /** Moves the tip ahead, after a write was passed to the store. */
  moveTip({ head, removal, delta, commit, heap = 0, members }: Effect<unknown>): void {
    this.tip = head;
    if (removal) this.#drop();
    if (members) this.#membersToChange().apply(members);
    if (commit?.snapshot && !delta) this.content.saved();
    if (delta) this.content.moved(delta.payload, commit?.snapshot, heap);
  }

  /** Moves the durable state: the oldest write in flight has become durable. `tell` receives the event. */
  confirm({ head, commit, removal, delta }: Effect<unknown>, tell = this.publish): void {
    if (commit || removal) {
      this.durable = head;
      this.#view = undefined;
    }
    if (delta) {
      this.history.push(delta);
      tell({ kind: 'delta', id: this.id, delta });
    }
    if (removal?.expected) {
      this.history.clear();
      tell({ kind: 'removed', id: this.id, reason: removal.reason });
    }
  }

  /**
   * Moves the tip back to the durable state: undoes the effects, newest first; or drops the document, where the effects
   * cannot be undone or are so large that undoing them would take long.
   */
  takeBack(effects: readonly Effect<unknown>[]): void {
    const moves = effects.filter(({ delta, removal, commit }) => delta || removal || commit?.snapshot);
    const deltas = moves.flatMap(({ delta, commit }) => (delta && !commit?.snapshot ? delta.payload : []));
    const undoable = this.durable && deltas.length === moves.length && bytesOf(deltas) <= SMALL_BYTES;
    if (!undoable) this.#drop();
    else {
      for (const { delta } of moves.reverse()) this.content.undo((delta as DeltaView).payload);
      for (const { members } of effects.toReversed()) if (members) this.members.undo(members);
    }
    this.tip = this.durable;
  }

  /** Drops the document; the next catchUp reads it again. */
  forget(): void {
    this.#drop();
  }

  /**
   * Brings the durable state up to the store's, by the missing deltas where possible. No write may be in flight. `doubt`: a
   * write did not happen, so that the times of members may be others.
   */
  async catchUp(doubt: boolean): Promise<void> {
    const known = this.durable;
    if (known && this.content.known) {
      // A delta is applied to the value.
      if (this.content.lacks('value')) await this.content.prepare('value');
      // After a conflict, deltas are missing: they are read in the same round trip.
      const reads = [
        this.store.head(this.id),
        doubt ? this.#deltasAfter(known.position.version, CONFLICT_RECORDS) : null,
      ] as const;
      const [head, first] = await Promise.all(reads);
      if (head && (await this.#foldMissing(known, head, first))) {
        const same = !doubt && known.members?.stamp === head.members?.stamp;
        if (!head.members) this.members = NONE;
        else if (!same) this.members = Members.load(await this.store.members(this.id));
        return;
      }
    }
    const stored = await this.store.load(this.id);
    if (stored) this.content.load(stored);
    else this.content.clear();
    this.members = stored?.members ? Members.load(stored.members) : NONE;
    this.#view = undefined;
    this.tip = this.durable = stored?.head ?? null;
    this.history.load(stored?.records ?? []);
    const moved = known && stored ? !samePosition(known.position, stored.head.position) : !known !== !stored;
    if (moved && this.#began !== undefined) this.publish({ kind: 'reset', id: this.id });
    if (this.#began === undefined) this.#began = this.durable?.position ?? null;
  }

  /** Whether the durable state is as new as `head`, which was read when the durable state was `before`. */
  holds(head: Head | null, before: Head | null): boolean {
    const { durable } = this;
    if (!head || !durable) return head === durable;
    const { epoch, version } = head.position;
    if (epoch !== durable.position.epoch) return false;
    if (before?.position.epoch === epoch && version < before.position.version) return false; // the store has lost writes
    if (version < durable.position.version) return true;
    return samePosition(head.position, durable.position) && sameUse(head, durable); // a touch changes the times only
  }

  /** Publishes a delta of another server that this state includes, unless this lane has done so. */
  repeat(delta: DeltaView): void {
    const { epoch, version } = delta.to;
    if (this.#began?.epoch === epoch && version <= this.#began.version)
      this.publish({ kind: 'delta', id: this.id, delta });
  }

  /** Applies a delta of another server. No write may be in flight. */
  fold(delta: DeltaView): void {
    const before = this.durable as Head;
    const changes = decodeChanges(delta.payload.changes, delta.payload.olds);
    const weight = before.weight + weightChange(changes);
    this.content.fold(changes, delta.payload);
    this.#view = undefined;
    this.tip = this.durable = { ...before, position: delta.to, updatedAt: delta.at, weight };
    const sized = { ...delta, large: isLarge(delta.payload, weight) };
    this.history.push(sized);
    this.publish({ kind: 'delta', id: this.id, delta: sized });
  }

  #drop(): void {
    this.content.clear();
    this.members = NONE;
  }

  #membersToChange(): Members {
    if (this.members === NONE) this.members = new Members();
    return this.members;
  }

  #deltasAfter(version: number, limit: number): Promise<History> {
    return this.store.deltas(this.id, version, limit, PAGE_BYTES);
  }

  /** Applies the deltas up to `head`, of which `first` are the first ones. False: they are missing, or their digests do not follow from the known position. */
  async #foldMissing(known: Head, head: Head, first: History | null): Promise<boolean> {
    let at = known.position;
    let left = mergeCostMax(head.weight);
    if (head.position.epoch !== at.epoch) return false;
    for (let page = first; at.version < head.position.version; page = null) {
      const missing = page ?? (await this.#deltasAfter(at.version, head.position.version - at.version));
      if (missing.kind === 'truncated' || missing.records.length === 0) return false;
      // Beyond this, reading the document costs less.
      left -= mergeCost(missing.records);
      if (left < 0) return false;
      for (const record of missing.records) {
        if (!samePosition(advance(at, record), record.position)) return false;
        this.fold(deltaOf(this.id, at, record));
        at = record.position;
      }
    }
    if (!samePosition(at, head.position)) return false;
    this.tip = this.durable = head;
    this.#view = undefined;
    return true;
  }
}
