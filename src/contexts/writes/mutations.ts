/**
 * Evaluates writes: from a document and a request to the resulting changes.
 *
 * Documents are changed in place, so that the cost of a write depends on its changes and not on the document's size.
 * When a step fails, the steps before it are undone: a write happens whole or not at all. The document receives copies
 * of the request's values: after a conflict the same request is evaluated again, so its values must not change with the
 * document.
 */
import { encodeChanges } from '../../codec/changes.js';
import { applyInPlace, diff, diffAt, equal, invert, merge, weightChange } from '../../delta/index.js';
import { type Projection, staysWithin } from '../../delta/projection.js';
import { type Measured, measureMember, sliceText } from '../../delta/text.js';
import type { Change, Changes, Path } from '../../delta/types.js';
import { ChordError, invalid } from '../../model/errors.js';
import { copy, getMember, hasMember, isObject, type Json, type JsonObject, type Payload } from '../../model/model.js';
import { partsLeft } from '../../model/steps.js';
import { heapChange } from '../lane/heap-size.js';
import { SMALL_BYTES } from '../long-work.js';
import { type Budget, tooMuchToStore } from './budget.js';
import type { MemberEdit } from './members.js';

export type Mutation =
  /** `ttl`: the member expires after so many milliseconds. */
  | { readonly kind: 'set'; readonly path: Path; readonly value: Json; readonly ttl?: number | undefined }
  | { readonly kind: 'remove'; readonly path: Path }
  | { readonly kind: 'increment'; readonly path: Path; readonly by: number }
  | { readonly kind: 'append'; readonly path: Path; readonly values: readonly Json[] }
  | {
      readonly kind: 'splice';
      readonly path: Path;
      readonly index: number;
      readonly removeCount: number;
      readonly insert: readonly Json[];
    }
  | { readonly kind: 'append_text'; readonly path: Path; readonly text: string }
  /** `index` and `removeCount` count Unicode code points. */
  | {
      readonly kind: 'splice_text';
      readonly path: Path;
      readonly index: number;
      readonly removeCount: number;
      readonly insert: string;
    };

export type Edit =
  | { readonly kind: 'set'; readonly value: JsonObject }
  | { readonly kind: 'update'; readonly changes?: JsonObject | undefined; readonly mutations: readonly Mutation[] };

export interface Evaluated {
  readonly changed: boolean;
  readonly payload: Payload;
  /** The weight of the document afterwards, in bytes as `weigh` counts. */
  readonly weight: number;
  /** The change of the document's memory, in bytes as `heapOf` counts. */
  readonly heap: number;
}

/** Where the elements that splices name lie in the document: it may have moved on since the caller saw it. */
export interface Places {
  /** By the index of the mutation. Undefined: the edit itself has replaced the list, or the elements. */
  placeOf(mutation: number): { readonly index: number } | undefined;
  /** Notes changes of the edit, which are carried out before the next mutation. */
  noteOwn(changes: Changes): void;
}

/** An insertion of this many elements moves the tail of the list one by one, at this factor of the cost per element. */
const MANY = 1000;
const MANY_FACTOR = 100;

/**
 * Carries out an edit, which `checkEdit` has accepted, on a document of this weight, in place. Answers undefined, and does
 * nothing, where the edit replaces so much that `evaluateInSteps` should carry it out.
 * Throws INVALID_ARGUMENT with the invalid field of the request, or RESOURCE_EXHAUSTED where the document or the work is
 * over the budget; the document is then unchanged. `members` takes what happens to members that expire; absent: none does.
 * Without `places`, a splice names places of the document as it is. PERMISSION_DENIED where the changes leave `within`.
 */
export function evaluate(
  document: JsonObject,
  edit: Edit,
  weight: number,
  budget: Budget,
  members?: MemberEdit,
  places?: Places,
  within?: Projection,
): Evaluated | undefined {
  if (edit.kind === 'set') {
    const changes = diff(document, edit.value);
    const evaluated = finish(changes, weight, budget, within);
    members?.endAll();
    applyInPlace(copied(changes), document);
    return evaluated;
  }
  const steps: Change[][] = [];
  try {
    if (edit.changes) carryOutChanges(document, edit.changes, steps, members, places);
    edit.mutations.forEach((mutation, index) => {
      carryOut(document, mutation, index, steps, budget, members, places);
    });
    members?.check();
    if (weight > SMALL_BYTES && replacesMuch(steps)) {
      undo(document, steps);
      return undefined;
    }
    return finish(steps.length > 1 ? merge(steps) : (steps[0] ?? []), weight, budget, within);
  } catch (error) {
    undo(document, steps);
    throw error;
  }
}

/** Merges an object into the document. Adds the changes to `steps`. */
export function carryOutChanges(
  document: JsonObject,
  source: JsonObject,
  steps: Change[][],
  members: MemberEdit | undefined,
  places: Places | undefined,
): void {
  const changes: Change[] = [];
  mergeMembers(document, source, [], changes, members);
  step(document, changes, steps, places);
}

/** Carries out one mutation. Adds its changes to `steps`. */
export function carryOut(
  document: JsonObject,
  mutation: Mutation,
  index: number,
  steps: Change[][],
  budget: Budget,
  members: MemberEdit | undefined,
  places: Places | undefined,
): void {
  const field = `mutations[${index}]`;
  const now = places ? carried(mutation, places, index, field) : mutation;
  step(document, changesOf(document, now, field, budget), steps, places);
  if (members) timesOf(mutation, members);
}

function undo(document: JsonObject, steps: Change[][]): void {
  for (const changes of steps.reverse()) applyInPlace(invert(changes), document);
}

function step(document: JsonObject, changes: Change[], steps: Change[][], places?: Places): void {
  if (changes.length === 0) return;
  applyInPlace(copied(changes), document);
  steps.push(changes);
  places?.noteOwn(changes);
}

/** More parts of old values take long to encode. */
const REPLACED_MAX = 4000;

function replacesMuch(steps: readonly Changes[]): boolean {
  let left = REPLACED_MAX;
  for (const changes of steps) {
    for (const change of changes) {
      if (change.action === 'removed' || change.action === 'modified') left = partsLeft(change.old ?? null, left);
      else if (change.action === 'spliced') left = partsLeft(change.removed as Json[], left);
      if (left < 0) return true;
    }
  }
  return false;
}

function carried(mutation: Mutation, places: Places, at: number, field: string): Mutation {
  if (mutation.kind !== 'splice' && mutation.kind !== 'splice_text') return mutation;
  const place = places.placeOf(at);
  if (place) return { ...mutation, index: place.index };
  throw invalid(`${field}.${mutation.kind}`, 'names elements that an earlier part of this write replaces');
}

/** Checks the changes: all limits of their size are enforced here. */
function finish(changes: readonly Change[], before: number, budget: Budget, within?: Projection): Evaluated {
  if (within) checkWithin(changes, within);
  const weight = before + weightChange(changes);
  checkWeight(weight, before, budget);
  const payload = encodeChanges(changes, budget.stored);
  if (!payload) throw tooMuchToStore();
  budget.store(payload.changes.length + payload.olds.length);
  return { changed: changes.length > 0, payload, weight, heap: heapChange(changes) };
}

/**
 * The request names nothing outside these parts; but a value on the way to one that is no object, and that the write would
 * replace by one, lies outside.
 */
export function checkWithin(changes: Changes, within: Projection): void {
  const leaving = changes.find((change) => !staysWithin(change, within));
  if (!leaving) return;
  throw new ChordError('PERMISSION_DENIED', `no right to change ${JSON.stringify(leaving.path)}, which is no object`);
}

export function checkWeight(weight: number, before: number, { documentBytes }: Budget): void {
  if (weight <= documentBytes || weight <= before) return;
  const message = `the document would take ${weight} bytes, the limit is ${documentBytes}`;
  throw new ChordError('RESOURCE_EXHAUSTED', message);
}

/** The changes with copies of their values. */
export function copied(changes: readonly Change[]): Change[] {
  return changes.map((change) => {
    if (change.action === 'removed' || change.action === 'text_spliced') return change;
    if (change.action === 'spliced') return { ...change, inserted: change.inserted.map(copy) };
    const { value } = change;
    return typeof value === 'object' && value !== null ? { ...change, value: copy(value) } : change;
  });
}

/** Deep merge: objects merge member by member, any other value replaces the old one. */
function mergeMembers(target: JsonObject, source: JsonObject, path: Path, into: Change[], members?: MemberEdit): void {
  for (const key of Object.keys(source)) {
    const next = getMember(source, key) as Json;
    const old = getMember(target, key);
    const at = [...path, key];
    if (isObject(next) && isObject(old)) mergeMembers(old, next, at, into, members);
    else {
      diffAt(at, old, next, into);
      members?.end(at);
    }
  }
}

/** Whether an edit sets members that expire. */
export function setsTimes(edit: Edit): boolean {
  return edit.kind === 'update' && edit.mutations.some((each) => each.kind === 'set' && each.ttl !== undefined);
}

/** What a mutation does to the time of its path. Increments, appends and splices change the value, and set nothing. */
function timesOf(mutation: Mutation, members: MemberEdit): void {
  if (mutation.kind === 'set' && mutation.ttl !== undefined) members.set(mutation.path, mutation.ttl);
  else if (mutation.kind === 'set' || mutation.kind === 'remove') members.end(mutation.path);
}

function changesOf(document: JsonObject, mutation: Mutation, field: string, budget: Budget): Change[] {
  const { path } = mutation;
  const place = findPlace(document, path, field);
  const changes: Change[] = [];
  switch (mutation.kind) {
    case 'set':
      put(place, mutation.value, changes);
      break;
    case 'remove':
      if (place.old !== undefined) changes.push({ action: 'removed', path, old: place.old });
      break;
    case 'increment': {
      const old = place.old ?? 0;
      if (place.old === null || typeof old !== 'number')
        throw invalid(`${field}.increment`, 'the member is not a number');
      const sum = old + mutation.by;
      if (!Number.isFinite(sum)) throw invalid(`${field}.increment`, 'the sum is not a finite number');
      put(place, sum, changes);
      break;
    }
    case 'append': {
      const list = listAt(place, `${field}.append`);
      if (place.old === undefined) put(place, [...mutation.values], changes);
      else splice(path, list, list.length, 0, mutation.values, changes);
      break;
    }
    case 'splice': {
      const list = listAt(place, `${field}.splice`);
      const { index, removeCount, insert } = mutation;
      if (!(index >= 0 && removeCount >= 0 && index + removeCount <= list.length)) {
        throw invalid(`${field}.splice`, `ends at ${index + removeCount} in a list of ${list.length} elements`);
      }
      budget.move((list.length - index) * (insert.length < MANY ? 1 : MANY_FACTOR));
      if (place.old === undefined) put(place, [...insert], changes);
      else splice(path, list, index, removeCount, insert, changes);
      break;
    }
    case 'append_text': {
      const measured = textAt(place, `${field}.append_text`);
      if (!measured) put(place, mutation.text, changes);
      else spliceText(path, measured, measured.points, 0, mutation.text, changes);
      break;
    }
    case 'splice_text': {
      const measured = textAt(place, `${field}.splice_text`);
      const { index, removeCount, insert } = mutation;
      const points = measured?.points ?? 0;
      if (!(index >= 0 && removeCount >= 0 && index + removeCount <= points)) {
        throw invalid(`${field}.splice_text`, `ends at ${index + removeCount} in a string of ${points} code points`);
      }
      budget.move(measured?.text.length ?? 0);
      if (!measured) put(place, insert, changes);
      else spliceText(path, measured, index, removeCount, insert, changes);
      break;
    }
  }
  return changes;
}

/** The target of a path: the deepest existing object, the number of keys to it, and the member where it exists. */
interface Place {
  readonly path: Path;
  readonly depth: number;
  readonly object: JsonObject;
  readonly old: Json | undefined;
}

function findPlace(document: JsonObject, path: Path, field: string): Place {
  let object = document;
  for (let depth = 0; depth < path.length; depth++) {
    const key = path[depth] as string;
    if (!hasMember(object, key)) return { path, depth, object, old: undefined };
    const member = getMember(object, key) as Json;
    if (depth === path.length - 1) return { path, depth, object, old: member };
    if (!isObject(member)) {
      throw invalid(`${field}.path`, `${JSON.stringify(path.slice(0, depth + 1))} is not an object`);
    }
    object = member;
  }
  return { path, depth: 0, object, old: undefined };
}

/** Stores a value; missing objects on the path become part of the one subtree that is added. */
function put(place: Place, value: Json, into: Change[]): void {
  const { path, depth } = place;
  let subtree = value;
  for (let i = path.length - 1; i > depth; i--) subtree = Object.fromEntries([[path[i] as string, subtree]]);
  diffAt(path.slice(0, depth + 1), place.old, subtree, into);
}

function listAt(place: Place, field: string): Json[] {
  if (place.old === undefined) return [];
  if (!Array.isArray(place.old)) throw invalid(field, 'the member is not a list');
  return place.old;
}

function splice(path: Path, list: Json[], index: number, count: number, insert: readonly Json[], into: Change[]): void {
  if (count === 0 && insert.length === 0) return;
  const removed = list.slice(index, index + count);
  if (equal(removed, [...insert])) return;
  into.push({ action: 'spliced', path, index, removedCount: count, removed, inserted: [...insert] });
}

/** Undefined: the member is absent. */
function textAt({ object, path, old }: Place, field: string): Measured | undefined {
  if (old === undefined) return undefined;
  if (typeof old !== 'string') throw invalid(field, 'the member is not a string');
  return measureMember(object, path.at(-1) as string, old);
}

function spliceText(
  path: Path,
  measured: Measured,
  index: number,
  removedCount: number,
  inserted: string,
  into: Change[],
): void {
  const removed = sliceText(measured, index, removedCount);
  if (removed === inserted) return;
  into.push({ action: 'text_spliced', path, index, removedCount, removed, inserted, oldBytes: measured.bytes });
}
