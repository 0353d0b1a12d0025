/**
 * Writes to several contexts as one commit. A batch acquires all of their lane locks, evaluates each write on the newest
 * state, in slices of time, and passes all operations to the store as one. So no write ever depends on half a batch, and undoing a batch is
 * simple. Batches of the same contexts run one after the other, each with its own commit; single writes wait meanwhile,
 * and share group commits as usual.
 */
import { ChordError } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import type { BatchOperation, BatchOutcome, Duplicate, Store } from '../../store/store.js';
import type { CommitEvent, ContextEvent } from '../events.js';
import type { Lane } from '../lane/lane.js';
import type { Lanes } from '../lane/lanes.js';
import { ATTEMPTS_MAX, type Evaluation, LongEvaluation, tooBusy } from '../lane/pending-write.js';
import type { Effect, LaneState } from '../lane/state.js';
import { Pace } from '../long-work.js';
import { DOCUMENTS_BYTES_MAX } from '../sync/point-in-time.js';
import type { Budget } from './budget.js';
import { endMembers, membersDue } from './member-times.js';
import { isRefusal } from './write-request.js';
import { expire } from './writes.js';

export interface BatchCommitTools {
  readonly lanes: Lanes;
  readonly store: Store;
  readonly publish: (event: CommitEvent) => void;
  readonly now: () => number;
  readonly isGone: (head: Head | null) => boolean;
  /** The budget that the parts share, and no other write. */
  readonly budget: Budget;
}

/** One write of a batch. */
export interface BatchPart<T> {
  readonly id: string;
  /** The write needs the document. */
  readonly edits: boolean;
  /** As for `Lane.submit`. */
  readonly evaluate: Evaluation<T>;
}

interface Held {
  readonly lane: Lane;
  readonly state: LaneState;
}

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
  /** The stored state is unknown. */
  let stale = false;
  try {
    // With other servers, a refusal may come from an old state: then the batch is evaluated once more.
    for (let attempt = 1, fresh = store.cluster === undefined; attempt <= ATTEMPTS_MAX; attempt++, fresh = true) {
      if (attempt > 1) await Promise.all(held.map(({ state }) => state.catchUp(true)));
      stale = true;
      await endExpired(tools, held);
      stale = false;
      const effects: Effect<T>[] = [];
      let operations: readonly BatchOperation[];
      try {
        await decodeAll(held, parts);
        tools.budget.renew();
        await evaluate(held, parts, effects);
        operations = seal(
          effects,
          effects.map((effect, i) => operationOf(effect, held[i] as Held)),
        );
      } catch (error) {
        await takeBack(held, effects);
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
      await takeBack(held, effects);
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

/** Lanes whose states are loaded at once: the locks of a batch are acquired in one turn, in which all others would load. */
const LOADED_AT_ONCE = 8;

/** Loads the states of lanes, a few in a turn of the event loop. */
export async function loadAll({ lanes }: BatchCommitTools, ids: readonly string[]): Promise<void> {
  const pace = new Pace();
  const cold = ids.filter((id) => !lanes.get(id).known);
  for (let i = 0; i < cold.length; i += LOADED_AT_ONCE) {
    if (i > 0) await pace.turn();
    await Promise.all(cold.slice(i, i + LOADED_AT_ONCE).map((id) => lanes.get(id).ready()));
  }
}

/** Acquires all lane locks at once, or none: no batch waits for a second one while that one waits for the first. */
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

/** Removes expired contexts and members: they are gone for every caller, swept or not. */
async function endExpired({ store, now, isGone }: BatchCommitTools, held: readonly Held[]): Promise<void> {
  await Promise.all(
    held.map(async ({ lane, state }) => {
      while (isGone(lane.tip)) {
        const effect = expire(state, now());
        if (!effect.removal) return;
        const { kind } = await store.remove(effect.removal);
        if (kind !== 'committed') await state.catchUp(true);
        else {
          state.moveTip(effect);
          state.confirm(effect);
        }
      }
      while (membersDue(lane.tip, now())) {
        if (state.content.lacks('value')) await state.content.prepare('value');
        const effect = endMembers(state, now());
        if (!effect.commit) return;
        state.moveTip(effect);
        const { kind } = await store.commit(effect.commit);
        if (kind === 'committed') state.confirm(effect);
        else {
          state.takeBack([effect]);
          await state.catchUp(true);
        }
      }
    }),
  );
}

/** Decodes the documents: a hundred large ones in one turn would take seconds. */
async function decodeAll(held: readonly Held[], parts: readonly BatchPart<unknown>[]): Promise<void> {
  const edited = held.filter((_, i) => parts[i]?.edits);
  const bytes = edited.reduce((sum, { lane }) => sum + (lane.tip?.weight ?? 0), 0);
  if (bytes > DOCUMENTS_BYTES_MAX) {
    const limit = `the limit is ${DOCUMENTS_BYTES_MAX}`;
    throw new ChordError('RESOURCE_EXHAUSTED', `the batch would change documents of ${bytes} bytes in all, ${limit}`);
  }
  const pace = new Pace();
  for (const { lane, state } of edited) {
    if (!lane.tip || state.content.decoded) continue;
    await state.content.prepare('value');
    state.document();
    await pace.look();
  }
}

/** Appends to `effects`, so that they can be undone where a later part refuses. */
async function evaluate<T>(held: readonly Held[], parts: readonly BatchPart<T>[], effects: Effect<T>[]): Promise<void> {
  const pace = new Pace();
  for (const [i, part] of parts.entries()) {
    const { state } = held[i] as Held;
    const made = part.evaluate(state);
    const effect = made instanceof LongEvaluation ? await made.run(pace) : made;
    state.moveTip(effect);
    effects.push(effect);
    await pace.look();
  }
}

/** A part that stores nothing depends on the position of its context, and so does the batch. */
function operationOf({ commit, removal }: Effect<unknown>, { state }: Held): BatchOperation {
  return commit ?? removal ?? { id: state.id, expected: state.durable?.position ?? null };
}

async function takeBack(held: readonly Held[], effects: readonly Effect<unknown>[]): Promise<void> {
  const pace = new Pace();
  for (const [i, effect] of effects.entries()) {
    held[i]?.state.takeBack([effect]);
    await pace.look();
  }
}

/** A store that writes one context at a time receives a single operation. */
async function commitBatch(store: Store, operations: readonly BatchOperation[]): Promise<BatchOutcome> {
  if (store.commitBatch) return store.commitBatch(operations);
  const [act] = operations as readonly [BatchOperation];
  if (!('head' in act || 'reason' in act)) return { kind: 'committed' };
  const outcome = await ('head' in act ? store.commit(act) : store.remove(act));
  return outcome.kind === 'conflict' ? { kind: 'conflict', heads: new Map([[act.id, outcome.head]]) } : outcome;
}
