/**
 * Writes to several contexts as one. The group has all of their lanes to itself, evaluates each write on the newest
 * state, and hands everything to the store as one act. So nothing is ever built upon half of it, and taking it back is
 * simple. Groups of the same contexts follow one another, each after its own commit; single writes wait meanwhile, and
 * share their commits as ever.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import type { BatchOperation, BatchOutcome, Duplicate, Store } from '../../store/store.js';
import type { CommitEvent, ContextEvent } from '../events.js';
import type { Lane } from '../lane/lane.js';
import type { Lanes } from '../lane/lanes.js';
import { ATTEMPTS_MAX, tooBusy } from '../lane/pending-write.js';
import type { Effect, LaneState, TipView } from '../lane/state.js';
import type { Budget } from './budget.js';
import { isRefusal } from './write-request.js';
import { expire } from './writes.js';

export interface BatchCommitTools {
  readonly lanes: Lanes;
  readonly store: Store;
  readonly publish: (event: CommitEvent) => void;
  readonly now: () => number;
  readonly isGone: (head: Head | null) => boolean;
  /** What the parts may cost together. */
  readonly budget: Budget;
}

/** One write of a group. */
export interface BatchPart<T> {
  readonly id: string;
  /** It needs the document. */
  readonly edits: boolean;
  /** As for `Lane.submit`. */
  readonly evaluate: (view: TipView) => Effect<T>;
}

interface Held {
  readonly lane: Lane;
  readonly state: LaneState;
}

/** What the documents may weigh that one group changes: all of them are in memory at once, decoded. */
const DOCUMENTS_BYTES_MAX = 64 << 20;

/**
 * Carries out all parts, each of another context, or none, and answers in their order. `seal` looks at what the parts
 * come to, and may refuse it or add to the operations. Answers the first try where the store knows the request id. Throws
 * what a part or `seal` throws, or what the store says.
 */
export async function commitBatchOf<T>(
  tools: BatchCommitTools,
  parts: readonly BatchPart<T>[],
  seal: (effects: readonly Effect<T>[], operations: readonly BatchOperation[]) => readonly BatchOperation[],
): Promise<readonly T[] | Duplicate> {
  const { lanes, store, publish } = tools;
  const held = await holdAll(parts.map(({ id }) => lanes.get(id)));
  const heard: ContextEvent[] = [];
  /** Nobody knows what is stored. */
  let stale = false;
  try {
    // Beside other servers a refusal may rest on what is old: then it is looked at once more.
    for (let attempt = 1, fresh = store.cluster === undefined; attempt <= ATTEMPTS_MAX; attempt++, fresh = true) {
      if (attempt > 1) await Promise.all(held.map(({ state }) => state.catchUp()));
      stale = true;
      await endExpired(tools, held);
      stale = false;
      const effects: Effect<T>[] = [];
      let operations: readonly BatchOperation[];
      try {
        await decodeAll(held, parts);
        tools.budget.renew();
        evaluate(held, parts, effects);
        operations = seal(
          effects,
          effects.map((effect, i) => operationOf(effect, held[i] as Held)),
        );
      } catch (error) {
        takeBack(held, effects);
        if (fresh || !isRefusal(error)) throw error;
        continue;
      }
      stale = true;
      const outcome = await commitBatch(store, operations);
      stale = false;
      if (outcome.kind === 'committed') {
        effects.forEach((effect, i) => {
          held[i]?.state.confirm(effect, (event) => heard.push(event));
        });
        return effects.map(({ answer }) => answer);
      }
      takeBack(held, effects);
      if (outcome.kind === 'duplicate') return outcome;
    }
    throw tooBusy((parts[0] as BatchPart<T>).id);
  } finally {
    if (stale) {
      for (const { lane, state } of held) {
        state.forget();
        heard.push({ kind: 'reset', id: lane.id });
      }
    }
    for (const { lane } of held) lane.release(stale);
    if (heard.length > 0) publish({ kind: 'batch', events: heard });
  }
}

/** All of them at once, or none: none of these waits for another one that has the others. */
async function holdAll(lanes: readonly Lane[]): Promise<readonly Held[]> {
  const holds = await Promise.allSettled(
    lanes.map(async (lane): Promise<Held> => {
      return { lane, state: await lane.hold() };
    }),
  );
  const failed = holds.find((hold) => hold.status === 'rejected');
  const held = holds.flatMap((hold) => (hold.status === 'fulfilled' ? hold.value : []));
  if (!failed) return held;
  for (const { lane } of held) lane.release(false);
  throw failed.reason;
}

/** What has expired is gone for every caller, whether or not it was swept. */
async function endExpired({ store, now, isGone }: BatchCommitTools, held: readonly Held[]): Promise<void> {
  await Promise.all(
    held.map(async ({ lane, state }) => {
      while (isGone(lane.tip)) {
        const effect = expire(state, now());
        if (!effect.removal) return;
        const { kind } = await store.remove(effect.removal);
        if (kind !== 'committed') await state.catchUp();
        else {
          state.moveTip(effect);
          state.confirm(effect);
        }
      }
    }),
  );
}

/** Each document in a turn of its own: a hundred large ones in one would be seconds. */
async function decodeAll(held: readonly Held[], parts: readonly BatchPart<unknown>[]): Promise<void> {
  const edited = held.filter((_, i) => parts[i]?.edits);
  const bytes = edited.reduce((sum, { lane }) => sum + (lane.tip?.weight ?? 0), 0);
  if (bytes > DOCUMENTS_BYTES_MAX) {
    const limit = `the limit is ${DOCUMENTS_BYTES_MAX}`;
    throw new ChordError('RESOURCE_EXHAUSTED', `the batch would change documents of ${bytes} bytes in all, ${limit}`);
  }
  for (const { lane, state } of edited) {
    if (!lane.tip || state.content.decoded) continue;
    state.document();
    await turn();
  }
}

/** Adds to `effects`, so that what was done can be taken back where a later part refuses. */
function evaluate<T>(held: readonly Held[], parts: readonly BatchPart<T>[], effects: Effect<T>[]): void {
  parts.forEach((part, i) => {
    const { state } = held[i] as Held;
    const effect = part.evaluate(state);
    state.moveTip(effect);
    effects.push(effect);
  });
}

/** What stores nothing rests on where its context stands, and so does the group. */
function operationOf({ commit, removal }: Effect<unknown>, { state }: Held): BatchOperation {
  return commit ?? removal ?? { id: state.id, expected: state.durable?.position ?? null };
}

function takeBack(held: readonly Held[], effects: readonly Effect<unknown>[]): void {
  effects.forEach((effect, i) => {
    held[i]?.state.takeBack([effect]);
  });
}

/** A store that writes one context at a time is asked for one alone. */
async function commitBatch(store: Store, operations: readonly BatchOperation[]): Promise<BatchOutcome> {
  if (store.commitBatch) return store.commitBatch(operations);
  const [act] = operations as readonly [BatchOperation];
  if (!('head' in act || 'reason' in act)) return { kind: 'committed' };
  const outcome = await ('head' in act ? store.commit(act) : store.remove(act));
  return outcome.kind === 'conflict' ? { kind: 'conflict', heads: new Map([[act.id, outcome.head]]) } : outcome;
}
