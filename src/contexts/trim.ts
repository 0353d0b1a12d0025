/** Drops old deltas of a context. */
import type { Store } from '../store/store.js';
import type { Lane } from './lane/lane.js';
import type { Effect, TipView } from './lane/state.js';
import { stampOf } from './writes/members.js';

/**
 * Drops the deltas up to and including version `upTo`; answers the number of dropped records. The store keeps every
 * record that its newest snapshot does not cover, so a snapshot is stored first where one is missing.
 */
export async function trim(store: Store, id: string, upTo: number, lane: () => Lane): Promise<number> {
  // Usually a snapshot exists, so neither the document nor its lane is needed.
  let count = await store.trim(id, upTo);
  const first = await store.deltas(id, 0, 1);
  const oldest = first.kind === 'truncated' ? first.oldest : 1;
  if (oldest <= upTo && (await lane().submit(takeSnapshot))) count += await store.trim(id, upTo);
  return count;
}

/** Stores a snapshot of the document at the tip; answers whether the context exists. */
export function takeSnapshot(view: TipView): Effect<boolean> {
  const { id, tip } = view;
  if (!tip) return { head: null, answer: false };
  const commit = { id, expected: tip.position, head: tip, snapshot: view.encoded().bytes, ...stampOf(tip) };
  return { commit, head: tip, answer: true };
}
