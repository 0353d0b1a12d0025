/** Merges consecutive deltas into one. */
import { decodeChanges, encodeChanges } from '../../codec/changes.js';
import { Merge, merge } from '../../delta/merge.js';
import type { Change, Changes } from '../../delta/types.js';
import type { Payload } from '../../model/model.js';
import type { DeltaView } from '../events.js';
import { changesInSteps, type Pace, paced } from '../long-work.js';
import { DELTA_COST } from '../validation.js';

/** Changes that are encoded in one step, unless they are large. */
const CHANGES_AT_ONCE = 500;

export function mergeViews(views: readonly DeltaView[]): DeltaView {
  const changes = merge(views.map(({ payload }) => decodeChanges(payload.changes, payload.olds)));
  return spanning(views, encodeChanges(changes));
}

/** The same as long work: waits for its turn, and yields to the event loop between steps. */
export function mergeInSteps(views: readonly DeltaView[]): Promise<DeltaView> {
  return paced(async (pace) => {
    const merging = new Merge();
    for (const { payload } of views) {
      for (const change of await decodeInSteps(payload, pace)) merging.add(change);
    }
    return spanning(views, await encodeInSteps(merging.result(), pace));
  });
}

/** Decodes a record's changes with their old values; yields to the event loop between steps. */
export async function decodeInSteps(payload: Payload, pace: Pace): Promise<Change[]> {
  const list: Change[] = [];
  for await (const changes of changesInSteps(payload, pace)) for (const change of changes) list.push(change);
  return list;
}

async function encodeInSteps(changes: Changes, pace: Pace): Promise<Payload> {
  const parts: Payload[] = [];
  for (let i = 0; i < changes.length; i += CHANGES_AT_ONCE) {
    const part = encodeChanges(changes.slice(i, i + CHANGES_AT_ONCE));
    parts.push(part);
    await pace.spend(bytesOf([part]));
  }
  return {
    changes: Buffer.concat(parts.map((part) => part.changes)),
    olds: Buffer.concat(parts.map((part) => part.olds)),
  };
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
