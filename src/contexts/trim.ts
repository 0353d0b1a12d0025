/** Drops old deltas of a context. */
import type { Store } from '../store/store.js';
import type { Lane } from './lane/lane.js';
import type { Effect, TipView } from './lane/state.js';

/**
 * Drops the deltas up to and with version `upTo`; answers how many records went. The store keeps every record that
 * its newest snapshot does not cover, so a snapshot comes first where one is lacking.
 */
export async function trim(store: Store, id: string, upTo: number, lane: () => Lane): Promise<number> {
  // As a rule there is a snapshot, and neither the document nor its lane is needed.
  let count = await store.trim(id, upTo);
  const first = await store.deltas(id, 0, 1);
  const oldest = first.kind === 'truncated' ? first.oldest : 1;
  if (oldest <= upTo && (await lane().submit(takeSnapshot))) count += await store.trim(id, upTo);
  return count;
}

/** Stores the document at the tip; answers whether there is one. */
function takeSnapshot(view: TipView): Effect<boolean> {
  const { id, tip } = view;
  if (!tip) return { head: null, answer: false };
  const commit = { id, expected: tip.position, head: tip, snapshot: view.encoded().bytes };
  return { commit, head: tip, answer: true };
}
