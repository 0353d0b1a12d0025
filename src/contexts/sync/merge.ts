/** Merges consecutive deltas into one. */
import { decodeChanges, encodeChanges } from '../../codec/changes.js';
import { decodeChangesInSteps, encodeChangesInSteps } from '../../codec/changes-steps.js';
import { Merge, merge } from '../../delta/merge.js';
import type { Change, Changes } from '../../delta/types.js';
import type { Payload } from '../../model/model.js';
import type { DeltaView } from '../events.js';
import { changesInSteps, eachInSteps, inSteps, type Pace, paced } from '../long-work.js';
import { DELTA_COST } from '../validation.js';

export function mergeViews(views: readonly DeltaView[]): DeltaView {
  const changes = merge(views.map(({ payload }) => decodeChanges(payload.changes, payload.olds)));
  return spanning(views, encodeChanges(changes));
}

/** The same as long work: waits for its turn, and yields to the event loop between steps. */
export function mergeInSteps(views: readonly DeltaView[]): Promise<DeltaView> {
  return paced(async (pace) => {
    const merging = new Merge();
    for (const { payload } of views) {
      for await (const changes of changesInSteps(payload, pace)) await addInSteps(merging, changes, pace);
    }
    const merged = await inSteps(merging.resultInSteps(), pace);
    return spanning(views, await encodeInSteps(merged, pace));
  });
}

/** Adds changes to a merge. */
export function addInSteps(merging: Merge, changes: Changes, pace: Pace): Promise<void> {
  return eachInSteps(changes, pace, (some) => {
    for (const change of some) merging.add(change);
  });
}

/** Decodes a record's changes with their old values; yields to the event loop between steps. */
export async function decodeInSteps(payload: Payload, pace: Pace): Promise<Change[]> {
  const list: Change[] = [];
  await inSteps(
    decodeChangesInSteps(payload, (change) => list.push(change)),
    pace,
  );
  return list;
}

/** Encodes changes; yields to the event loop between steps. */
export async function encodeInSteps(changes: Changes, pace: Pace): Promise<Payload> {
  return (await inSteps(encodeChangesInSteps(changes), pace)) as Payload; // without a limit there is a result
}

function spanning(views: readonly DeltaView[], payload: Payload): DeltaView {
  const first = views[0] as DeltaView;
  const last = views.at(-1) as DeltaView;
  return { id: first.id, from: first.from, to: last.to, payload, at: last.at };
}

/** The bytes of the payloads, changes and old values together. */
export function bytesOf(payloads: readonly Payload[]): number {
  let bytes = 0;
  for (const { changes, olds } of payloads) bytes += changes.length + olds.length;
  return bytes;
}

/** What it costs to merge the payloads, in bytes of a document that costs as much. */
export function mergeCost(payloads: readonly Payload[]): number {
  return bytesOf(payloads) + DELTA_COST * payloads.length;
}
