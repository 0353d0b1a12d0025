/** Turns the sync decision into the answer: a merged delta, the document, or nothing. */
import type { Head, Position } from '../../model/model.js';
import type { Store } from '../../store/store.js';
import { type DeltaView, type FullReason, isLarge, type SyncResult, type View } from '../events.js';
import { ENCODED, type Form } from '../lane/document.js';
import type { Lane } from '../lane/lane.js';
import { mergeCostMax } from '../validation.js';
import { decide } from './decision.js';
import { LaneHistory, type Since } from './history.js';
import { documentViewAt, encodedView } from './point-in-time.js';

type Answer<T> = SyncResult<T> | Promise<SyncResult<T>>;

/** Why the document is sent, where there is no delta. */
const REASONS: Readonly<Record<Exclude<Since, DeltaView>, FullReason>> = {
  diverged: 'diverged',
  truncated: 'history_truncated',
  larger: 'delta_larger',
  'not in memory': 'history_truncated',
};

/** As in ServiceOptions. */
export interface SyncLimits {
  readonly deltaThreshold: number;
  readonly thins?: (() => boolean) | undefined;
}

/** Where a delta may be of many versions, the history counts deltas. */
function versionsMax({ deltaThreshold, thins }: SyncLimits): number {
  return thins?.() ? Number.POSITIVE_INFINITY : deltaThreshold;
}

/** What a client at `known` lacks, for a lane with the durable state `head`. Synchronous where the answer is in memory. */
export function answer<T>(
  lane: Lane,
  head: Head,
  known: Position | undefined,
  limits: SyncLimits,
  form: Form<T>,
): Answer<T> {
  const decision = decide(known, head.position, versionsMax(limits));
  if (decision.kind === 'no_change') return { kind: 'no_change', position: head.position };
  const whole = (reason: FullReason): Answer<T> => full(lane, head, known, reason, form);
  if (decision.kind === 'full') return whole(decision.reason);
  const choose = (since: Since): Answer<T> => {
    if (typeof since !== 'object') return whole(REASONS[since]);
    return isLarge(since.payload, head.weight)
      ? smaller(since, whole('delta_larger'), form)
      : { kind: 'delta', delta: since };
  };
  const since = lane.since(known as Position, head.position, mergeCostMax(head.weight));
  return since instanceof Promise ? since.then(choose) : choose(since);
}

/** The same for an earlier position of the context. Throws as `past` does where that position is no longer available. */
export async function answerAt(
  store: Store,
  lane: Lane,
  position: Position,
  known: Position | undefined,
  limits: SyncLimits,
): Promise<SyncResult> {
  const { id } = lane;
  const decision = decide(known, position, versionsMax(limits));
  if (decision.kind === 'no_change') return { kind: 'no_change', position };
  const whole = async (reason: FullReason): Promise<SyncResult> => {
    return { kind: 'full', reason, view: await encodedView(id, await documentViewAt(store, lane, position)) };
  };
  if (decision.kind === 'full') return whole(decision.reason);
  const { durable } = lane;
  const costMax = mergeCostMax(durable?.weight ?? 0);
  const since = await new LaneHistory(id, store, limits.deltaThreshold).fetch(known as Position, position, costMax);
  if (typeof since !== 'object') return whole(REASONS[since]);
  if (durable && !isLarge(since.payload, durable.weight)) return { kind: 'delta', delta: since };
  return smaller(since, whole('delta_larger'), ENCODED);
}

function full<T>(lane: Lane, head: Head, known: Position | undefined, reason: FullReason, form: Form<T>): Answer<T> {
  const send = (view: View<T> | null): SyncResult<T> => {
    if (!view) return { kind: 'missing' };
    const { position } = view.head;
    if (position.epoch === head.position.epoch) return { kind: 'full', view, reason };
    // The context was deleted and created again while this read waited for the commits in flight.
    const now = decide(known, position, Number.POSITIVE_INFINITY);
    return { kind: 'full', view, reason: now.kind === 'full' ? now.reason : 'epoch_changed' };
  };
  const view = lane.view(form);
  return view instanceof Promise ? view.then(send) : send(view);
}

/** The delta, or the document where that is smaller. */
function smaller<T>(delta: DeltaView, whole: Answer<T>, form: Form<T>): Answer<T> {
  const choose = (result: SyncResult<T>): SyncResult<T> => {
    const larger = result.kind === 'full' && form.bytes(result.view.value) < delta.payload.changes.length;
    return larger ? result : { kind: 'delta', delta };
  };
  return whole instanceof Promise ? whole.then(choose) : choose(whole);
}
