/** Evaluates each kind of write on a lane's tip: its condition, its effect, and its answer. */
import type { Annotations } from '../../codec/provenance.js';
import { EncodedStruct, encodeStruct } from '../../codec/struct.js';
import { encodeStructInSteps } from '../../codec/struct-steps.js';
import { weigh } from '../../delta/index.js';
import type { Projection } from '../../delta/projection.js';
import { notFound } from '../../model/errors.js';
import { type Expiry, type Head, type Position, samePosition, usedAt } from '../../model/model.js';
import { type DeltaView, isLarge, type View } from '../events.js';
import { LongEvaluation } from '../lane/pending-write.js';
import type { Effect, TipView } from '../lane/state.js';
import { inSteps, type Pace, SMALL_BYTES } from '../long-work.js';
import { advance, newLife } from '../position.js';
import { bytesOf } from '../sync/merge.js';
import type { PointInTime } from '../sync/point-in-time.js';
import type { Budget } from './budget.js';
import { checkExpected, type Expected } from './conditions.js';
import type { Guard } from './guard.js';
import { type RequestName, remember } from './idempotency.js';
import { evaluateInSteps, isLong } from './long-edit.js';
import { MemberEdit, marked, stampOf, withMembers } from './members.js';
import { type Edit, type Evaluated, evaluate, setsTimes } from './mutations.js';

export interface WriteOptions {
  readonly expected?: Expected | undefined;
  /** Identifies this write, so that it can be repeated safely. */
  readonly requestId?: string | undefined;
  /**
   * The identity that authentication gave: the author of the version. Request ids are names of this caller: the same one of
   * another caller is another name. Absent: none.
   */
  readonly caller?: string | undefined;
  /** Kept with the version that the write makes. */
  readonly annotations?: Annotations | undefined;
  /** Milliseconds; 0: until it is deleted; absent: as before. */
  readonly ttl?: number | undefined;
  readonly returning?: { readonly context?: boolean; readonly delta?: boolean } | undefined;
}

export interface UpdateOptions extends WriteOptions {
  /** The parts of the document that the write may change. Absent: all. */
  readonly within?: Projection | undefined;
  readonly allowMissing?: boolean | undefined;
}

export interface WriteResult {
  /** Absent only for a delete of a missing context. */
  readonly position?: Position | undefined;
  readonly changed: boolean;
  /** Bytes that the write stored: the delta, and the snapshot where one was due. Absent: none. */
  readonly stored?: number | undefined;
  /** Bytes of earlier deltas that a revert read. */
  readonly read?: number | undefined;
  readonly view?: View | undefined;
  readonly delta?: DeltaView | undefined;
}

/** Options; where the request has an id, with what it is remembered under, and the hash of the whole. */
export interface WriteRequest extends UpdateOptions {
  readonly name?: RequestName | undefined;
  readonly fingerprint: string;
  readonly guard?: Guard | undefined;
  /** As in the record. */
  readonly provenance?: Uint8Array | undefined;
  /** Members and elements in the values. */
  readonly parts?: number | undefined;
}

const EMPTY_WEIGHT = weigh({});
/** The precision of the time of the last write without a change, in milliseconds. */
export const USE_GRAIN = 1000;

/** What an edit begins with. */
interface Begun {
  readonly now: number;
  readonly expiry: Expiry | undefined;
  readonly members: MemberEdit | undefined;
  /** The weight of the document. */
  readonly before: number;
}

/** SetContext and UpdateContext. */
export function edit(
  view: TipView,
  what: Edit,
  asked: WriteRequest,
  clock: number,
  budget: Budget,
): Effect<WriteResult> | LongEvaluation<WriteResult> {
  const begun = begin(view, what, asked, clock);
  const { before, members } = begun;
  if (!isLong(what, before, asked.parts ?? 0) && !(before > SMALL_BYTES && encodes(view, asked, before))) {
    const document = view.document();
    const evaluated = evaluate(document, what, before, budget, members, asked.guard, asked.within);
    if (evaluated) {
      const stores = evaluated.changed || !view.tip;
      const due = stores && snapshotOf(view, evaluated, budget);
      const whole = due || (stores && asked.returning?.context) ? encodeStruct(document) : undefined;
      return effectOf(view, asked, clock, begun, evaluated, due ? whole : undefined, whole);
    }
  }
  const own = budget.own();
  return new LongEvaluation((pace) => editInSteps(view, what, asked, clock, own, pace));
}

async function editInSteps(
  view: TipView,
  what: Edit,
  asked: WriteRequest,
  clock: number,
  budget: Budget,
  pace: Pace,
): Promise<Effect<WriteResult>> {
  const begun = begin(view, what, asked, clock);
  const { before, members } = begun;
  const document = view.document();
  const evaluated = await evaluateInSteps(document, what, before, budget, pace, members, asked.guard, asked.within);
  const stores = evaluated.changed || !view.tip;
  const due = stores && snapshotOf(view, evaluated, budget, Number.POSITIVE_INFINITY);
  const wanted = due || asked.returning?.context;
  const whole = wanted ? await inSteps(encodeStructInSteps(document), pace) : undefined;
  return effectOf(view, asked, clock, begun, evaluated, due ? whole : undefined, whole);
}

function begin(view: TipView, what: Edit, asked: WriteRequest, clock: number): Begun {
  const { id, tip } = view;
  checkExpected(view, asked.expected, asked.guard);
  if (!tip && !asked.allowMissing) throw notFound(id);
  return {
    // Time does not go backwards within a context, whatever the clock does. A time to live is counted by the clock alone:
    // one that was ahead, or was set back, must not make it longer.
    now: Math.max(clock, tip?.updatedAt ?? 0),
    expiry: renewed(tip?.expiry, asked.ttl, clock),
    members: tip?.members || setsTimes(what) ? new MemberEdit(view.members, clock) : undefined,
    before: tip?.weight ?? EMPTY_WEIGHT,
  };
}

/** Whether a write encodes the whole document, whatever it changes. */
function encodes(view: TipView, { returning }: WriteRequest, weight: number): boolean {
  return returning?.context === true || view.snapshotDue(undefined, weight);
}

/** Whether the write stores a snapshot. That of a larger document is left to the next write, which makes it in steps. */
function snapshotOf(view: TipView, { payload, weight }: Evaluated, budget: Budget, max = SMALL_BYTES): boolean {
  return weight <= max && view.snapshotDue(payload, weight) && budget.snapshot(weight);
}

/** @param whole the encoded document, where the write stores or returns it */
function effectOf(
  view: TipView,
  asked: WriteRequest,
  clock: number,
  { now, expiry, members }: Begun,
  evaluated: Evaluated,
  snapshot: Uint8Array | undefined,
  whole: Uint8Array | undefined,
): Effect<WriteResult> {
  const { id, tip } = view;
  const mark = members?.mark(tip?.members);
  const returned = asked.returning?.context;
  if (tip && !evaluated.changed) {
    const head = marked(used(tip, expiry, now), mark);
    const value = returned && (whole ? new EncodedStruct(whole) : view.encoded());
    const answer = { position: tip.position, changed: false, view: value ? { id, head, value } : undefined };
    const counts = expiry || tip.expiry || asked.name || members?.changes || now - usedAt(tip) >= USE_GRAIN;
    if (!counts) return { head: tip, answer };
    const commit = { id, expected: tip.position, head, ...request(asked, answer, clock) };
    return members ? withMembers({ commit, head, answer }, tip, members) : { commit, head, answer };
  }

  const from = tip?.position ?? newLife();
  const { payload, weight, heap } = evaluated;
  const to = advance(from, payload);
  const head = {
    position: to,
    createdAt: tip?.createdAt ?? now,
    updatedAt: now,
    weight,
    ...(expiry && { expiry }),
    ...(mark && { members: mark }),
  };
  const { provenance } = asked;
  const origin = provenance && { provenance };
  const delta = { id, from, to, payload, at: now, large: isLarge(payload, weight), ...origin };
  const stored = bytesOf([payload]) + (provenance?.length ?? 0) + (snapshot?.length ?? 0);
  const answer = {
    position: to,
    changed: true,
    stored,
    view: returned ? { id, head, value: new EncodedStruct(whole as Uint8Array) } : undefined,
    delta: asked.returning?.delta ? delta : undefined,
  };
  const commit = {
    id,
    expected: tip?.position ?? null,
    head,
    payload,
    ...origin,
    ...(snapshot && { snapshot }),
    ...request(asked, answer, clock),
  };
  const effect = { commit, head, delta, heap, answer };
  return members ? withMembers(effect, tip, members) : effect;
}

/** RevertContext. */
export function revert(
  view: TipView,
  to: PointInTime,
  asked: WriteRequest,
  clock: number,
  budget: Budget,
): Effect<WriteResult> | LongEvaluation<WriteResult> {
  const { id, tip } = view;
  // The context was deleted and recreated during the read: the new life never had that version.
  if (tip && tip.position.epoch !== to.head.position.epoch) throw notFound(id);
  const parts = to.head.weight > SMALL_BYTES ? Number.POSITIVE_INFINITY : 0;
  return edit(view, { kind: 'set', value: to.document }, { ...asked, parts }, clock, budget);
}

/** DeleteContext. */
export function remove(view: TipView, asked: WriteRequest, now: number): Effect<WriteResult> {
  const { id, tip } = view;
  checkExpected(view, asked.expected, asked.guard);
  if (!tip && !asked.allowMissing) throw notFound(id);
  const answer = tip ? { position: tip.position, changed: true } : { changed: false };
  const named = request(asked, answer, now);
  // A late repeat must not remove a context that was created since.
  if (!tip && !named.request) return { head: null, answer };
  const removal = { id, expected: tip?.position ?? null, reason: 'deleted' as const, ...named };
  return { removal, head: null, answer };
}

/** TouchContext. */
export function touch({ id, tip }: TipView, ttl: number | undefined, now: number): Effect<Head> {
  if (!tip) throw notFound(id);
  const head = used(tip, renewed(tip.expiry, ttl, now), now);
  return { commit: { id, expected: tip.position, head, ...stampOf(tip) }, head, answer: head };
}

/**
 * Removes the context if its time to live has ended, or if it has none and was not used after `idleSince`; where `at` is
 * given, only at that position. Answers whether the context was removed. A touch by another server that is not known
 * here yet prevents the removal.
 */
export function expire(
  { id, tip }: TipView,
  now: number,
  idleSince = Number.NEGATIVE_INFINITY,
  at?: Position,
): Effect<boolean> {
  const idle = tip && !tip.expiry && usedAt(tip) <= idleSince;
  if (!tip || !(idle || isExpired(tip, now))) return { head: tip, answer: false };
  if (at && !samePosition(at, tip.position)) return { head: tip, answer: false };
  const asKnown = tip.expiry ? { expiry: tip.expiry } : { usedAt: usedAt(tip) };
  return { removal: { id, expected: tip.position, reason: 'expired', ...asKnown }, head: null, answer: true };
}

export function isExpired(head: Head | null, now: number): boolean {
  return head?.expiry !== undefined && head.expiry.at <= now;
}

function request({ name, fingerprint }: WriteRequest, answer: WriteResult, now: number) {
  return name ? { request: remember(name, fingerprint, [answer], now) } : {};
}

/** A write or a touch renews the time to live. */
function renewed(old: Expiry | undefined, ttl: number | undefined, now: number): Expiry | undefined {
  const lasts = ttl ?? old?.ttl ?? 0;
  return lasts > 0 ? { at: now + lasts, ttl: lasts } : undefined;
}

/** The head after a touch. */
function used({ expiry: _, touchedAt: __, ...head }: Head, expiry: Expiry | undefined, now: number): Head {
  return expiry ? { ...head, expiry } : { ...head, touchedAt: now };
}
