/**
 * Edits that change much: decides which do, and evaluates them as mutations.ts does, but in steps. Nothing else reads or
 * changes the document meanwhile.
 */
import { encodeChangesInSteps } from '../../codec/changes-steps.js';
import { diffInSteps } from '../../delta/diff.js';
import { applyInPlace, invert, weightChange } from '../../delta/index.js';
import { Merge } from '../../delta/merge.js';
import type { Projection } from '../../delta/projection.js';
import type { Change, Changes } from '../../delta/types.js';
import type { JsonObject } from '../../model/model.js';
import { heapChange } from '../lane/heap-size.js';
import { eachInSteps, inSteps, type Pace, SMALL_BYTES } from '../long-work.js';
import { addInSteps } from '../sync/merge.js';
import { type Budget, tooMuchToStore } from './budget.js';
import type { MemberEdit } from './members.js';
import {
  carryOut,
  carryOutChanges,
  checkWeight,
  checkWithin,
  copied,
  type Edit,
  type Evaluated,
  type Places,
} from './mutations.js';

/** Members and elements in the values of an edit: these take some 20 ms to evaluate. */
const PARTS_MAX = 4000;
/** Mutations of a large document: each may move a long list. */
const MUTATIONS_MAX = 50;
/** Changes that are applied between two looks at the clock: many, since each time a spliced list is written anew. */
const APPLIED_AT_ONCE = 1000;

/** Whether to evaluate an edit in steps. @param parts of its values */
export function isLong(edit: Edit, weight: number, parts: number): boolean {
  if (parts > PARTS_MAX) return true;
  return weight > SMALL_BYTES && (edit.kind === 'set' || edit.mutations.length > MUTATIONS_MAX);
}

/** As `evaluate`. */
export async function evaluateInSteps(
  document: JsonObject,
  edit: Edit,
  weight: number,
  budget: Budget,
  pace: Pace,
  members?: MemberEdit,
  places?: Places,
  within?: Projection,
): Promise<Evaluated> {
  if (edit.kind === 'set') {
    const changes = await inSteps(diffInSteps(document, edit.value), pace);
    const evaluated = await finish(changes, weight, budget, pace, within);
    members?.endAll();
    const apply = (some: Changes): void => applyInPlace(copied(some), document);
    await eachInSteps(changes, pace, apply, APPLIED_AT_ONCE);
    return evaluated;
  }
  const steps: Change[][] = [];
  try {
    if (edit.changes) carryOutChanges(document, edit.changes, steps, members, places);
    for (const [index, mutation] of edit.mutations.entries()) {
      await pace.look();
      carryOut(document, mutation, index, steps, budget, members, places);
    }
    members?.check();
    return await finish(await merged(steps, pace), weight, budget, pace, within);
  } catch (error) {
    for (const changes of steps.reverse()) {
      applyInPlace(invert(changes), document);
      await pace.look();
    }
    throw error;
  }
}

async function merged(steps: readonly Changes[], pace: Pace): Promise<Changes> {
  if (steps.length <= 1) return steps[0] ?? [];
  const merging = new Merge();
  for (const changes of steps) await addInSteps(merging, changes, pace);
  return inSteps(merging.resultInSteps(), pace);
}

async function finish(
  changes: Changes,
  before: number,
  budget: Budget,
  pace: Pace,
  within: Projection | undefined,
): Promise<Evaluated> {
  if (within) await eachInSteps(changes, pace, (some) => checkWithin(some, within));
  let weight = before;
  await eachInSteps(changes, pace, (some) => {
    weight += weightChange(some);
  });
  checkWeight(weight, before, budget);
  const payload = await inSteps(encodeChangesInSteps(changes, budget.stored), pace);
  if (!payload) throw tooMuchToStore();
  budget.store(payload.changes.length + payload.olds.length);
  let heap = 0;
  await eachInSteps(changes, pace, (some) => {
    heap += heapChange(some);
  });
  await pace.turn();
  return { changed: changes.length > 0, payload, weight, heap };
}
